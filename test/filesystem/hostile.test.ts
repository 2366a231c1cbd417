import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import fc from 'fast-check';
import { isCoded } from '../../src/errors/index.ts';
import { crc32c } from '../../src/filesystem/checksums.ts';
import { detect } from '../../src/filesystem/index.ts';
import { checkFileSystem } from '../contract/filesystem.ts';
import { requires } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { memoryDevice } from './devices.ts';
import { blank, run } from './fixtures.ts';

const MiB = 1024 * 1024;

interface Sample {
  readonly tools: string[];
  readonly name: string;
  readonly size: number;
  readonly make: (image: string, folder: string) => void;
  /** Where the structures lie that a hostile volume would lie in. */
  readonly targets: readonly (readonly [start: number, length: number])[];
  /** Makes checksums right again after the damage, so that the lie is believed. */
  readonly repair?: (content: Buffer) => void;
}

function someFiles(folder: string): string {
  const tree = join(folder, 'tree');
  mkdirSync(join(tree, 'a', 'b'), { recursive: true });
  for (let i = 0; i < 20; i++) writeFileSync(join(tree, 'a', 'b', `file ${i}`), 'x'.repeat(i * 900));
  return tree;
}

const ext = (name: string, ...args: string[]): Sample => ({
  tools: ['mke2fs'],
  name,
  size: 8 * MiB,
  make: (image, folder) =>
    void run('mke2fs', '-q', '-F', '-b', '1024', '-d', someFiles(folder), ...args, image),
  targets: [
    [1024, 0x2_80],
    [1024, 64],
    [2048, 128],
    [3 * 1024, 600_000],
  ],
});

const fat = (kind: string, size: number): Sample => ({
  tools: ['mkfs.fat', 'mcopy'],
  name: `FAT${kind}`,
  size: size * MiB,
  make: (image, folder) => {
    run('mkfs.fat', '-F', kind, '-s', '1', image);
    run('mcopy', '-s', '-i', image, join(someFiles(folder), 'a'), '::/');
  },
  targets: [
    [11, 80],
    [512, 4096],
    [16 * 1024, 1_000_000],
  ],
});

const samples: Sample[] = [
  ext('ext2', '-t', 'ext2'),
  ext('ext4 without checksums', '-t', 'ext4', '-O', '^metadata_csum,^has_journal'),
  {
    ...ext('ext4', '-t', 'ext4'),
    repair(content) {
      const superblock = content.subarray(1024, 2048);
      superblock.writeUInt32LE(crc32c(0xff_ff_ff_ff, superblock.subarray(0, 1020)), 1020);
    },
  },
  fat('12', 2),
  fat('16', 5),
  fat('32', 36),
  {
    tools: ['mkswap'],
    name: 'swap',
    size: MiB,
    make: (image) => void run('mkswap', '-q', image),
    targets: [
      [1024, 64],
      [4086, 10],
    ],
  },
  {
    tools: ['mkfs.xfs'],
    name: 'XFS',
    size: 16 * MiB,
    make: (image) => void run('mkfs.xfs', '-q', image),
    targets: [
      [0, 264],
      [84, 50],
      [512, 228],
      [4096, 200],
    ],
    repair(content) {
      content.writeUInt32LE(0, 224);
      content.writeUInt32LE(~crc32c(0xff_ff_ff_ff, content.subarray(0, 512)) >>> 0, 224);
    },
  },
];

/** Values that break arithmetic: limits, signs, ones. */
const nasty = fc.oneof(fc.constantFrom(0, 1, 2, 0x7f, 0x80, 0xff), fc.integer({ min: 0, max: 255 }));

/** The whole volume is 16 MiB at most, so even a walk over all of it is over by then. */
const longest = 5000;

for (const { tools, name, size, make, targets, repair } of samples) {
  requires(...tools).serial(`hostile bytes are survived: ${name}`, async (t: ExecutionContext) => {
    const folder = temporary(t);
    const image = blank(join(folder, 'image'), size);
    make(image, folder);
    const sound = readFileSync(image);
    const change = fc.record({
      target: fc.nat(targets.length - 1),
      at: fc.nat(2 ** 30),
      bytes: fc.oneof(
        fc.array(nasty, { minLength: 1, maxLength: 8 }),
        fc
          .constantFrom(0, 255)
          .chain((value) =>
            fc.integer({ min: 1, max: 300 }).map((n) => Array.from({ length: n }, () => value)),
          ),
      ),
    });
    const content = Buffer.from(sound);
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { minLength: 1, maxLength: 6 }),
        fc.boolean(),
        async (changes, consistent) => {
          sound.copy(content);
          for (const { target, at, bytes } of changes) {
            const [start = 0, length = 1] = targets[target] ?? [];
            content.set(bytes.slice(0, size - start - length), start + (at % length));
          }
          if (consistent) repair?.(content);
          const volume = memoryDevice(content);
          const began = performance.now();
          try {
            const filesystem = await detect(volume);
            if (filesystem !== null) await checkFileSystem(t, volume, filesystem);
          } catch (error) {
            if (!isCoded(error)) throw error;
          }
          t.true(performance.now() - began < longest);
        },
      ),
      { numRuns: 60, endOnFailure: true },
    );
  });
}

requires('mke2fs').serial(
  'a superblock that claims much makes nothing large',
  async (t: ExecutionContext) => {
    const image = blank(join(temporary(t), 'image'), 4 * MiB);
    run('mke2fs', '-q', '-F', '-t', 'ext4', '-O', '^metadata_csum', '-b', '1024', image);
    const content = readFileSync(image);
    content.writeUInt32LE(0xff_ff_ff_f0, 1024 + 4);
    content.writeUInt32LE(0x3f_ff_ff, 1024 + 0x1_50);
    const before = process.memoryUsage().rss;
    const volume = memoryDevice(content);
    const filesystem = await detect(volume);
    const map = await filesystem?.usedMap();
    t.false(map?.trusted);
    t.deepEqual(await filesystem?.controlSet(), []);
    t.deepEqual(await filesystem?.filesIn?.([{ start: 0, length: MiB }]), []);
    t.true(process.memoryUsage().rss - before < 100 * MiB);
  },
);
