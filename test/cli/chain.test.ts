import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { z } from 'zod';
import { openDisk, slice } from '../../src/disk/index.ts';
import { detect } from '../../src/filesystem/index.ts';
import { requires } from '../helpers/requires.ts';
import { blankImage, serverImage } from '../helpers/server-image.ts';
import { temporary } from '../helpers/temporary.ts';
import { remetal } from './run.ts';

const MiB = 1024 * 1024;
const needs = requires('sfdisk', 'mke2fs', 'debugfs', 'e2fsck');

/** Puts a file of `length` bytes into the file system at `offset` of an image, in place of the one of that name. */
function putFile(image: string, offset: number, name: string, bytes: Buffer, folder: string): void {
  const file = join(folder, 'put');
  writeFileSync(file, bytes);
  for (const command of [`rm ${name}`, `write ${file} ${name}`]) {
    execFileSync('debugfs', ['-w', '-R', command, `${image}?offset=${offset}`], { stdio: 'ignore' });
  }
}

/** What the used blocks of the two file systems of an image hold. */
async function usedBytes(image: string): Promise<Buffer[]> {
  const disk = await openDisk(image);
  try {
    const out: Buffer[] = [];
    for (const [offset, size] of [
      [1, 32],
      [33, 16],
    ] as const) {
      const volume = slice(disk, offset * MiB, size * MiB, 'volume');
      const { used, trusted } = await (await detect(volume))!.usedMap();
      if (!trusted) throw new Error('the image is not sound');
      for (const { start, length } of used) {
        const bytes = Buffer.alloc(length);
        await volume.read(bytes, start);
        out.push(bytes);
      }
    }
    return out;
  } finally {
    await disk.close();
  }
}

const listSchema = z.object({
  sets: z.array(z.object({ name: z.string(), chain: z.array(z.object({ name: z.string() })) })),
});

interface Chained {
  readonly folder: string;
  readonly source: string;
  readonly target: string;
}

/** A full set and six incremental ones at a place, each after a change of some files; the source is the last state. */
async function chainOfSeven(t: ExecutionContext, place: string, folder: string): Promise<Chained> {
  const source = serverImage(folder);
  const backUp = async (...more: string[]) => {
    const ran = await remetal(['backup', '--disk', source, '--to', place, '--name', 'web1', ...more]);
    t.is(ran.status, 0, ran.stderr);
    return ran;
  };
  await backUp();
  for (let n = 2; n <= 7; n++) {
    putFile(source, 33 * MiB, `changing${n % 3}`, Buffer.alloc(200_000, `state ${n} `), folder);
    const { stdout } = await backUp('--since', 'web1');
    t.regex(stdout, /unchanged since web1-/);
  }
  return { folder, source, target: blankImage(join(folder, 'new.raw'), 64 * MiB) };
}

async function restored(t: ExecutionContext, { source, target }: Chained, place: string): Promise<void> {
  const ran = await remetal(['restore', place, '--disk', target, '--yes', '--verify']);
  t.is(ran.status, 0, ran.stderr + ran.stdout);
  const [wanted, found] = [await usedBytes(source), await usedBytes(target)];
  t.is(found.length, wanted.length);
  t.true(found.every((bytes, i) => bytes.equals(wanted[i]!)));
}

needs('a chain of seven in a folder is listed, shown, verified and restored', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const place = join(folder, 'sets');
  const chained = await chainOfSeven(t, place, folder);
  const list = await remetal(['list', place]);
  t.is(list.stdout.trim().split('\n').length, 8);
  t.regex(list.stdout, / web1-\S+ to web1-\S+ \(6 sets\) /);
  const sets = listSchema
    .parse((await remetal(['list', place, '--json'])).last())
    .sets.toSorted((a, b) => a.chain.length - b.chain.length);
  t.deepEqual(
    sets.map(({ chain }) => chain.length),
    [0, 1, 2, 3, 4, 5, 6],
  );
  const last = sets.at(-1)!;
  t.regex((await remetal(['show', place])).stdout, /needs {5}web1-/);
  const verified = await remetal(['verify', place]);
  t.is(verified.status, 0, verified.stdout);
  await restored(t, chained, place);
  const third = join(place, `${last.chain[2]!.name}.tar`);
  const moved = join(folder, 'elsewhere');
  mkdirSync(moved);
  renameSync(third, join(moved, `${last.chain[2]!.name}.tar`));
  const blank = blankImage(join(folder, 'other.raw'), 64 * MiB);
  const torn = await remetal(['restore', place, '--set', last.name, '--disk', blank, '--yes', '--json']);
  t.like(torn.last(), { code: 'chain-link-missing' });
  t.true(
    (await usedBytesOf(blank)).every((byte) => byte === 0),
    'nothing is written',
  );
  t.regex((await remetal(['list', place])).stdout, /\(not here\)/);
  const more = await remetal([
    'backup',
    '--disk',
    chained.source,
    '--to',
    place,
    '--name',
    'web1',
    '--since',
    last.name,
    '--json',
  ]);
  t.like(more.last(), { code: 'chain-link-missing' });
  const found = await remetal([
    'restore',
    place,
    '--set',
    last.name,
    '--disk',
    blank,
    '--chain-at',
    moved,
    '--yes',
  ]);
  t.is(found.status, 0, found.stderr);
});

async function usedBytesOf(image: string): Promise<Buffer> {
  const disk = await openDisk(image);
  const bytes = Buffer.alloc(MiB);
  await disk.read(bytes, 33 * MiB);
  await disk.close();
  return bytes;
}

needs('a chain of seven on one cartridge is restored', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const library = join(folder, 'lib');
  const place = `tape+file:${library}`;
  for (const words of [
    ['tape', 'library', 'make', library, '--no-changer', '--cartridges', '1', '--size', '64M'],
    ['tape', 'library', 'insert', library, 'RMT001L9'],
    ['tape', 'label', place, '--name', 'FIRST'],
  ]) {
    const ran = await remetal(words);
    t.is(ran.status, 0, ran.stderr);
  }
  const chained = await chainOfSeven(t, place, folder);
  const list = listSchema.parse((await remetal(['list', place, '--json'])).last());
  t.deepEqual(
    list.sets.map(({ chain }) => chain.length),
    [0, 1, 2, 3, 4, 5, 6],
  );
  // To the maps at the end and back to the control set, at most: no data, and no earlier set.
  const files = await remetal(['files', place, 'web1/data', '--json']);
  t.is(files.status, 0, files.stderr);
  t.true(files.stdout.includes('/changing1'));
  const moved = files.lines().find(({ type }) => type === 'tape');
  t.is(moved?.['loads'], 1);
  t.true(Number(moved?.['repositionings']) <= 2);
  t.like(
    files.lines().find(({ type }) => type === 'result'),
    { groups: { data: 0 } },
  );
  const verified = await remetal(['verify', place]);
  t.is(verified.status, 0, verified.stdout);
  await restored(t, chained, place);
});

needs('what cannot be built on is refused, and nothing is left behind', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const source = serverImage(folder);
  const place = join(folder, 'sets');
  mkdirSync(place);
  const backUp = async (...more: string[]) =>
    await remetal(['backup', '--disk', source, '--to', place, '--name', 'web1', '--json', ...more]);
  t.like((await backUp('--since', 'web1')).last(), { code: 'not-a-set' });
  t.like((await backUp('--since-at', place)).last(), { code: 'usage' });
  t.deepEqual(readdirSync(place), []);
  t.is((await backUp()).status, 0);
  const [file] = readdirSync(place);
  const other = join(folder, 'other');
  const ran = await remetal([
    'backup',
    '--disk',
    source,
    '--to',
    other,
    '--since',
    'web1',
    '--since-at',
    place,
  ]);
  t.is(ran.status, 0, ran.stderr);
  t.like((await remetal(['verify', other, '--json'])).last(), { sound: false });
  t.is((await remetal(['verify', other, '--chain-at', place])).status, 0);
  rmSync(join(place, file!));
  t.like((await remetal(['show', other, '--json'])).last(), { verb: 'show' });
});

needs('a chain over several cartridges is restored through the changer', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const library = join(folder, 'lib');
  const place = `tape+file:${library}`;
  const made = await remetal(['tape', 'library', 'make', library, '--cartridges', '6', '--size', '2M']);
  t.is(made.status, 0, made.stderr);
  for (const slot of ['1', '2', '3', '4', '5', '6']) {
    for (const words of [
      ['changer', 'load', slot],
      ['label', place],
      ['changer', 'unload'],
    ]) {
      const more = words[0] === 'changer' ? ['--changer', place] : [];
      const ran = await remetal(['tape', ...words, ...more]);
      t.is(ran.status, 0, ran.stderr);
    }
  }
  const chained = await chainOfSeven(t, place, folder);
  await restored(t, chained, place);
});

needs(
  'listing an incremental set on tape is one jump to its end and one back',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const library = join(folder, 'lib');
    const place = `tape+file:${library}`;
    for (const words of [
      ['tape', 'library', 'make', library, '--no-changer', '--cartridges', '1', '--size', '256M'],
      ['tape', 'library', 'insert', library, 'RMT001L9'],
      ['tape', 'label', place, '--name', 'FIRST'],
    ]) {
      const ran = await remetal(words);
      t.is(ran.status, 0, ran.stderr);
    }
    const source = blankImage(join(folder, 'disk.raw'), 128 * MiB);
    execFileSync('mke2fs', ['-q', '-t', 'ext4', '-L', 'large', source]);
    const backUp = async (...more: string[]): Promise<void> => {
      const ran = await remetal(['backup', '--disk', source, '--to', place, '--name', 'web1', ...more]);
      t.is(ran.status, 0, ran.stderr);
    };
    await backUp();
    // More than is read with the end of a set.
    putFile(source, 0, 'noise', randomBytes(48 * MiB), folder);
    await backUp('--since', 'web1');
    const files = await remetal(['files', place, 'web1/large', '--json']);
    t.is(files.status, 0, files.stderr);
    const of = (type: string) => files.lines().find((line) => line.type === type);
    t.like(of('tape'), { loads: 1, repositionings: 2 });
    t.like(of('result'), { groups: { data: 0 } });
  },
);
