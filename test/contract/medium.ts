import test from 'ava';
import { isCoded } from '../../src/errors/index.ts';
import { padded, tarBlock, encodeUstar } from '../../src/bytes/index.ts';
import {
  closingRecordSize,
  closingRecordSuffix,
  type Medium,
  type RecordPlace,
} from '../../src/medium/index.ts';

/** A medium to test, and how to take it away again. */
export interface MediumUnderTest {
  readonly medium: Medium;
  readonly remove: () => Promise<void>;
}

export interface MediumMaker {
  /** `partSize` null: one part takes everything. */
  (partSize: number | null): Promise<MediumUnderTest>;
}

/** Every set of the suite has this id; they are told apart by their names. */
export const setId = '00000000-0000-4000-8000-000000000001';

/** A tar member with an extended header, as a record is: `length` bytes of content. */
export function member(name: string, length: number, fill = 'x', comment = 'record'): Buffer {
  const rest = ` comment=${comment}\n`;
  const line = `${rest.length + 2}${rest}`;
  const out = Buffer.alloc(3 * tarBlock + padded(length));
  encodeUstar({ name: `PaxHeaders/${name}`, size: line.length, mtime: 0, type: 'x' }, out, 0);
  out.write(line, tarBlock);
  encodeUstar({ name, size: length, mtime: 0, type: '0' }, out, 2 * tarBlock);
  out.fill(fill, 3 * tarBlock, 3 * tarBlock + length);
  return out;
}

/** A tar member with an extended header and this content. */
function memberOf(name: string, content: string): Buffer {
  const out = member(name, content.length);
  out.write(content, 3 * tarBlock);
  return out;
}

/** The label that every part begins with, as far as a medium reads it: docs/format.md, "JSON records". */
export function label(set: string, part = 1, firstOrdinal = 0): Buffer {
  const head = { format: 1, setId, name: 'web1', createdAt: '2026-11-22T10:00:00.000Z', kind: 'full' };
  const document = { format: 1, setId, part, recordLimit: 262144, firstOrdinal, head };
  return memberOf(`${set}/part${String(part).padStart(4, '0')}.label.json`, JSON.stringify(document));
}

/** The record that closes a set, as far as a medium knows it. */
export function closing(suffix = closingRecordSuffix): Buffer {
  const document = JSON.stringify({ format: 1, setId });
  return memberOf(`s/9${suffix}`, document.padEnd(closingRecordSize - 3 * tarBlock));
}

/** What every medium must keep to. See the comment of `Medium`. */
export function contract(name: string, make: MediumMaker): void {
  const each = (
    title: string,
    body: (t: import('ava').ExecutionContext, medium: Medium) => Promise<void>,
  ): void => {
    test(`${name}: ${title}`, async (t) => {
      const { medium, remove } = await make(null);
      t.teardown(remove);
      await body(t, medium);
    });
  };

  each('gives back the records in order, and null at the end', async (t, medium) => {
    const records = [
      label('set'),
      member('a', 10),
      member('b', 0),
      member('c', Math.min(5_000_000, (await medium.recordLimit()) - 4096)),
      member('d', 3000, 'y'),
      closing(),
    ];
    const sink = await medium.create('set', setId);
    for (const record of records)
      t.not(await sink.append([record.subarray(0, 700), record.subarray(700)]), 'end-of-medium');
    await sink.commit();
    const source = await medium.open('set');
    for (const record of records) t.true((await source.next())?.equals(record));
    t.is(await source.next(), null);
    t.true((await source.last())?.equals(records.at(-1)!));
    t.true(source.committed);
    t.is(source.parts, 1);
    await source.close();
  });

  each('goes to any place that append gave', async (t, medium) => {
    const sink = await medium.create('set', setId);
    const places: { place: RecordPlace; record: Buffer }[] = [];
    await sink.append([label('set')]);
    for (let i = 0; i < 33; i++) {
      const record = member(`r${i}`, i * 7001, String.fromCharCode(97 + (i % 26)));
      const place = await sink.append([record]);
      if (place !== 'end-of-medium') places.push({ place, record });
    }
    await sink.append([closing()]);
    await sink.commit();
    const source = await medium.open('set');
    for (let i = 0; i < places.length; i++) {
      const number = (i * 17) % places.length;
      const { place, record } = places[number]!;
      if (source.record !== undefined) {
        t.true((await source.record(number))?.equals(record));
        continue;
      }
      await source.seek(place);
      t.true((await source.next())?.equals(record));
      t.deepEqual(source.place, place);
    }
    await source.close();
  });

  each('keeps what it was given even when the caller uses the buffer again', async (t, medium) => {
    const sink = await medium.create('set', setId);
    const record = member('a', 100_000, 'x');
    const expected = Buffer.from(record);
    await sink.append([label('set')]);
    await sink.append([record]);
    record.fill(0);
    await sink.append([closing()]);
    await sink.commit();
    const source = await medium.open('set');
    await source.next();
    t.true((await source.next())?.equals(expected));
    await source.close();
  });

  each('lists a set as complete only after commit', async (t, medium) => {
    t.deepEqual(await medium.list().catch(() => []), []);
    const sink = await medium.create('set', setId);
    await sink.append([label('set')]);
    await sink.append([member('a', 1000)]);
    await sink.append([closing()]);
    t.false((await medium.list()).some(({ complete }) => complete));
    await sink.commit();
    const [set] = await medium.list();
    t.like(set, { name: 'set', complete: true, parts: 1 });
    t.is((await medium.list()).length, 1);
  });

  each('never lists an aborted set as complete, and lets its name be used again', async (t, medium) => {
    const sink = await medium.create('set', setId);
    await sink.append([label('set')]);
    await sink.append([member('a', 1000)]);
    await sink.append([closing()]);
    await sink.abort();
    await sink.abort();
    t.false((await medium.list()).some(({ complete }) => complete));
    const again = await medium.create('set', setId);
    await again.append([label('set')]);
    await again.append([closing()]);
    await again.commit();
    t.deepEqual(
      (await medium.list()).map(({ complete }) => complete),
      [true],
    );
  });

  each('never lists a set that nothing closes as complete', async (t, medium) => {
    for (const [set, last] of [
      ['open', member('a', 1000)],
      ['goes-on', closing('.more.json')],
    ] as const) {
      const sink = await medium.create(set, setId);
      await sink.append([label(set)]);
      await sink.append([last]);
      await sink.commit();
    }
    t.false((await medium.list()).some(({ complete }) => complete));
  });

  each('refuses names that are taken, not allowed or not there', async (t, medium) => {
    const sink = await medium.create('set', setId);
    await sink.append([label('set')]);
    await sink.append([closing()]);
    await sink.commit();
    await t.throwsAsync(medium.create('set', setId), { code: 'set-exists' });
    for (const bad of ['', '.hidden', 'a/b', '../up', 'x'.repeat(65), 'web1.part0002']) {
      await t.throwsAsync(medium.create(bad, setId), { code: 'usage' });
    }
    await t.throwsAsync(medium.open('nothing'), { code: 'no-such-set' });
  });

  test(`${name}: the end of a part is a value, and leaves room for what closes it`, async (t) => {
    const { medium, remove } = await make(128 * 1024);
    t.teardown(remove);
    const sink = await medium.create('set', setId);
    const written: { place: RecordPlace; record: Buffer }[] = [];
    await sink.append([label('set')]);
    let part = 1;
    const records = Array.from({ length: 30 }, (_, i) =>
      member(`r${i}`, 20_000, String.fromCharCode(97 + (i % 26))),
    );
    for (const [i, record] of [...records, closing()].entries()) {
      let place = await sink.append([record]);
      if (place === 'end-of-medium') {
        t.not(await sink.append([closing('.more.json')]), 'end-of-medium');
        await sink.nextPart();
        await sink.append([label('set', ++part, i)]);
        place = await sink.append([record]);
      }
      if (place !== 'end-of-medium') written.push({ place, record });
    }
    t.is(written.length, 31);
    await sink.commit();
    const [set] = await medium.list();
    t.like(set, { complete: true });
    t.true(set!.parts > 4 && (set!.bytes ?? 0) <= set!.parts * 128 * 1024);
    const source = await medium.open('set');
    t.is(source.parts, set!.parts);
    t.deepEqual(source.missing, []);
    for (const [i, { place, record }] of [...written.entries()].toReversed()) {
      if (source.record !== undefined) {
        t.true((await source.record(i))?.equals(record));
        continue;
      }
      await source.seek(place);
      t.true((await source.next())?.equals(record));
    }
    const beyond = await t.throwsAsync(source.seek({ part: set!.parts, offset: 0 }));
    t.true(isCoded(beyond, 'part-missing', 'cartridge-needed'));
    await source.close();
  });
}
