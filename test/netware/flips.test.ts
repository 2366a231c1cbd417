import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { requires } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { DamagedDisk } from './damaged-disk.ts';
import { readerPath } from './reader.ts';

const test = requires('python3');

type Change = [offset: number, mask: number];

/** What the reader finds with each of these sets of bytes changed: codes, or the error that ended it. */
function readFlipped(disk: DamagedDisk, plan: readonly Change[][]): (string[] | string)[] {
  const script = join(import.meta.dirname, 'flips.py');
  return JSON.parse(
    execFileSync('python3', [script, readerPath, disk.path], {
      input: JSON.stringify(plan),
      maxBuffer: 1 << 26,
    }).toString(),
  );
}

/** Numbers below `limit`, the same every time. */
function numbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

/** Every copy of every structure, as bytes of the disk. */
function structures(disk: DamagedDisk): [name: string, at: number, length: number][] {
  const { fat1, fat2, dir1, dir2 } = disk.manifest.partitions[0]!.vdt[0]!;
  return [
    ['stamp', disk.physical(0), 24],
    ...disk.hotfix(0).map((at): [string, number, number] => ['hotfix', at, 512]),
    ...disk.mirror(0).map((at): [string, number, number] => ['mirror', at, 512]),
    ...([0, 1] as const).flatMap((kind) =>
      disk.table(kind, 0).map((at): [string, number, number] => ['table', at, 4096]),
    ),
    ...disk.volumeTable(0).map((at): [string, number, number] => ['volume table', at, 512]),
    ['fat', disk.block(fat1), 1024],
    ['mirror fat', disk.block(fat2), 65536],
    ['directory', disk.block(dir1), 65536],
    ['mirror directory', disk.block(dir2), 16384],
  ];
}

test('any byte changed in one copy of any structure is refused', (t) => {
  const disk = new DamagedDisk(temporary(t));
  const next = numbers(3);
  const flips = structures(disk).flatMap(([name, at, length]) =>
    Array.from({ length: 12 }, () => ({ name, at: at + next(length), mask: 1 << next(8) })),
  );
  const found = readFlipped(
    disk,
    flips.map(({ at, mask }) => [[at, mask]]),
  );
  const missed = flips.filter((_, i) => found[i]!.length === 0 || typeof found[i] === 'string');
  t.deepEqual(missed, []);
  t.deepEqual(readFlipped(disk, [[]]), [[]]);
});

test('damage in both copies alike is found or lived with, never stumbled over', (t) => {
  const disk = new DamagedDisk(temporary(t));
  const next = numbers(4);
  const { fat1, fat2, dir1, dir2 } = disk.manifest.partitions[0]!.vdt[0]!;
  const records = Math.max(...disk.manifest.volumes['SYS']!.entries.map(({ dirno }) => dirno)) + 1;
  const plan = Array.from({ length: 300 }, (_, round): Change[] =>
    Array.from({ length: 1 + next(3) }, () => {
      // Sizes of gigabytes make holes of gigabytes, which take their time.
      const record = next(records) * 128;
      const within = [...Array(128).keys()].filter((byte) => byte < 48 || byte > 51);
      const offset = round % 3 === 0 ? next(64 * 8) : record + within[next(within.length)]!;
      const copies = round % 3 === 0 ? [fat1, fat2] : [dir1, dir2];
      const mask = 1 << next(8);
      return copies.map((copy): Change => [disk.block(copy) + offset, mask]);
    }).flat(),
  );
  const found = readFlipped(disk, plan);
  t.deepEqual(
    found.filter((codes) => typeof codes === 'string'),
    [],
  );
  // A changed date or owner is as good as another; most of the rest is noticed.
  t.true(found.filter(({ length }) => length > 0).length > 150);
});

test('garbage in any structure is refused in bounded time, with no stumbling', (t) => {
  const disk = new DamagedDisk(temporary(t));
  const next = numbers(5);
  const plan = structures(disk).flatMap(([, at, length]) =>
    [64, 512].map((count): Change[] => {
      const size = Math.min(count, length);
      return Array.from({ length: size }, (_, i) => [at + i, 1 + next(255)]);
    }),
  );
  for (const codes of readFlipped(disk, plan))
    t.true(typeof codes !== 'string' && codes.length > 0, String(codes));
});
