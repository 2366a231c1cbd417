import { mkdtemp, readdir, readFile, rename, rm, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { fileMedium, openMedium } from '../../src/medium/index.ts';
import { closing, contract, member, setId } from '../contract/medium.ts';
import { temporary } from '../helpers/temporary.ts';

contract('file', async (partSize) => {
  const folder = await mkdtemp(join(tmpdir(), 'remetal-medium-'));
  return {
    medium: fileMedium(folder, partSize === null ? {} : { partSize }),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
});

test('files are partial until the set is committed, and end as every tar ends', async (t) => {
  const folder = join(temporary(t), 'web1');
  const medium = fileMedium(folder, { partSize: 64 * 1024 });
  const sink = await medium.create('set', setId);
  const records = [member('a', 30_000), member('b', 30_000)];
  await sink.append([records[0]!]);
  t.is(await sink.append([records[1]!]), 'end-of-medium');
  await sink.append([closing('.more.json')]);
  await sink.nextPart();
  await sink.append([records[1]!]);
  await sink.append([closing()]);
  t.deepEqual((await readdir(folder)).toSorted(), ['set.part0002.tar.partial', 'set.tar.partial']);
  await sink.commit();
  t.deepEqual((await readdir(folder)).toSorted(), ['set.part0002.tar', 'set.tar']);
  const bytes = await readFile(join(folder, 'set.part0002.tar'));
  t.true(bytes.equals(Buffer.concat([records[1]!, closing(), Buffer.alloc(1024)])));
});

async function written(folder: string, partSize?: number): Promise<void> {
  const medium = fileMedium(folder, partSize === undefined ? {} : { partSize });
  const sink = await medium.create('set', setId);
  for (let i = 0; i < 5; i++) {
    if ((await sink.append([member('a', 30_000)])) !== 'end-of-medium') continue;
    await sink.append([closing('.more.json')]);
    await sink.nextPart();
    await sink.append([member('a', 30_000)]);
  }
  await sink.append([closing()]);
  await sink.commit();
}

test('a set whose renaming was interrupted, or that lacks a part, is not complete', async (t) => {
  const folder = temporary(t);
  await written(folder, 96 * 1024);
  t.like((await fileMedium(folder).list())[0], { complete: true, parts: 3 });
  await rename(join(folder, 'set.tar'), join(folder, 'set.tar.partial'));
  t.like((await fileMedium(folder).list())[0], { complete: false });
  await rename(join(folder, 'set.tar.partial'), join(folder, 'set.tar'));
  await unlink(join(folder, 'set.part0002.tar'));
  t.like((await fileMedium(folder).list())[0], { complete: false });
  const source = await fileMedium(folder).open('set');
  t.deepEqual(source.missing, [1]);
  await t.throwsAsync(source.seek({ part: 1, offset: 0 }), { code: 'part-missing' });
  await source.close();
});

test('a torn tail is found out', async (t) => {
  const folder = temporary(t);
  await written(folder);
  await truncate(join(folder, 'set.tar'), 100_000);
  t.like((await fileMedium(folder).list())[0], { complete: false });
  const source = await fileMedium(folder).open('set');
  t.is(await source.last(), null);
  await source.seek({ part: 0, offset: 0 });
  for (let i = 0; i < 3; i++) t.truthy(await source.next());
  await t.throwsAsync(source.next(), { code: 'set-truncated' });
  t.is(await source.next(), null);
  await source.close();
});

test('a tar file is a medium with one set', async (t) => {
  const folder = temporary(t);
  await written(folder);
  await rename(join(folder, 'set.tar'), join(folder, 'other.tar'));
  await written(folder);
  const medium = openMedium(join(folder, 'set.tar'));
  t.deepEqual(
    (await medium.list()).map(({ name }) => name),
    ['set'],
  );
  const source = await medium.open('set');
  t.truthy(await source.next());
  await source.close();
});

test('other files in the directory are left alone', async (t) => {
  const folder = temporary(t);
  await writeFile(join(folder, 'photos.tar.gz'), 'x');
  await writeFile(join(folder, 'notes.txt'), 'x');
  await writeFile(join(folder, 'junk.tar'), 'x');
  await written(folder);
  t.deepEqual(
    (await fileMedium(folder).list()).map(({ name, complete }) => ({ name, complete })),
    [
      { name: 'junk', complete: false },
      { name: 'set', complete: true },
    ],
  );
});

test('a medium that is not there is said to be so, an address of no known kind too', async (t) => {
  await t.throwsAsync(openMedium(join(temporary(t), 'nothing')).list(), { code: 'medium-not-found' });
  t.throws(() => openMedium('ftp://example/sets'), { code: 'usage' });
  t.is(openMedium('file:///some/where').name, '/some/where');
});
