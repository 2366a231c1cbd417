import type { ExecutionContext } from 'ava';
import fc from 'fast-check';
import { slice } from '../../src/disk/index.ts';
import { parseBootSector } from '../../src/filesystem/fat/boot.ts';
import { readBytes } from '../../src/filesystem/reading.ts';
import { requires } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { bytesOf, everythingIn, fatImage, fillAsDos, growFat, onDisk } from './fat-fixtures.ts';

const MiB = 1024 * 1024;
const guard = 256 * 1024;

const images = [
  { size: 2 * MiB, args: ['-F', '12', '-s', '2'], to: [3 * MiB, 20 * MiB] },
  { size: 4 * MiB, args: ['-F', '16', '-s', '1'], to: [5 * MiB, 60 * MiB] },
  { size: 36 * MiB, args: ['-F', '32', '-s', '1'], to: [40 * MiB, 40 * MiB] },
];

/** Grows mutated bytes; says what is wrong with what came out, or whether it grew. */
async function tried(bytes: Buffer, to: number, fat32 = false): Promise<'grown' | 'left'> {
  const disk = await onDisk(bytes, to, guard, 512);
  const volume = slice(disk, guard, to);
  const before =
    parseBootSector(bytes) === null ? null : await everythingIn(slice(disk, guard, bytes.length));
  const { layout } = await growFat(volume, bytes.length, fat32);
  for (const at of [0, guard + to]) {
    const beside = await readBytes(disk, at, guard);
    if (!beside.every((byte) => byte === 0x5a)) throw new Error('it wrote beside the volume');
  }
  if (layout === null) {
    const after = await readBytes(volume, 0, Math.min(bytes.length, 4 * MiB));
    if (!after.equals(bytes.subarray(0, after.length))) throw new Error('left as it is, and changed');
    return 'left';
  }
  const after = await everythingIn(volume);
  if (before === null || after.join('\n') !== before.join('\n')) throw new Error('something was lost');
  return 'grown';
}

for (const { size, args, to } of images) {
  requires(
    'mkfs.fat',
    'mcopy',
    'mattrib',
  )(
    `whatever is damaged: it grows with all that was there, or nothing is touched (${args.join(' ')})`,
    async (t: ExecutionContext) => {
      const image = fatImage(temporary(t), size, ...args);
      fillAsDos(image, { rounds: 1, largest: 9000 });
      const sound = bytesOf(image);
      for (const room of to) t.is(await tried(sound, room), 'grown');
      const geometry = parseBootSector(sound)!;
      const { fatOffset, fatLength, dataOffset } = geometry;
      // Where structures lie: the boot sector's fields, the used part of the tables, the root and folders behind it.
      const places = [
        { start: 11, length: 80 },
        { start: fatOffset, length: Math.min(fatLength, 700) },
        { start: geometry.rootLength > 0 ? geometry.rootOffset : dataOffset, length: 600 },
        { start: dataOffset, length: 160_000 },
      ];
      const change = fc.record({
        place: fc.constantFrom(...places),
        at: fc.nat(1_000_000),
        value: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 2, 0xf7, 0xff)),
        both: fc.boolean(),
      });
      const seen = { grown: 0, left: 0 };
      await fc.assert(
        fc.asyncProperty(
          fc.array(change, { minLength: 1, maxLength: 4 }),
          fc.constantFrom(...to),
          fc.boolean(),
          async (changes, room, fat32) => {
            const bytes = Buffer.from(sound);
            for (const { place, at, value, both } of changes) {
              const offset = place.start + (at % place.length);
              bytes[offset] = value;
              // In both tables, or the copies differ and that is all there is to it.
              if (both && place.start === fatOffset) bytes[offset + fatLength] = value;
            }
            seen[await tried(bytes, room, fat32)]++;
          },
        ),
        { numRuns: size > 10 * MiB ? 40 : 100 },
      );
      t.true(seen.grown > 4 && seen.left > 4, JSON.stringify(seen));
    },
  );
}

requires(
  'mkfs.fat',
  'mcopy',
  'mattrib',
)('what is not sound is left, and says why', async (t: ExecutionContext) => {
  const image = fatImage(temporary(t), 4 * MiB, '-F', '16', '-s', '1');
  fillAsDos(image, { rounds: 0, largest: 9000 });
  const sound = bytesOf(image);
  const { fatOffset, fatLength, rootOffset } = parseBootSector(sound)!;
  const entry = (cluster: number, value: number) => (bytes: Buffer) => {
    for (const copy of [0, 1]) bytes.writeUInt16LE(value, fatOffset + copy * fatLength + cluster * 2);
  };
  /** Where the root's entry of a file begins. */
  const named = (name: string): number => sound.indexOf(name.padEnd(11), rootOffset, 'latin1');
  const io = named('IO      SYS');
  const last = named('LAST       ');
  t.true(io > 0 && last > io);
  const cases: [RegExp, (bytes: Buffer) => void][] = [
    [/not cleanly unmounted/, (bytes) => bytes.writeUInt8(1, 37)],
    [/not cleanly unmounted/, entry(1, 0x7f_ff)],
    [/copies of the allocation table differ/, (bytes) => bytes.writeUInt16LE(0, fatOffset + 4)],
    [/leads to 3, which is none|Two chains lead to cluster 4/, entry(2, 4)],
    [/leads to 60000, which is none/, entry(2, 60_000)],
    [/leads to 1, which is none/, entry(2, 1)],
    [/which is free/, entry(3, 0)],
    [/has \d+ bytes and clusters for 512/, entry(2, 0xff_ff)],
    [
      /runs in a circle/,
      (bytes) => {
        entry(7000, 7001)(bytes);
        entry(7001, 7000)(bytes);
      },
    ],
    [/"last" begins at cluster 2, as another file does/, (bytes) => bytes.writeUInt16LE(2, last + 26)],
    [/"last" begins at cluster 3, where no chain does/, (bytes) => bytes.writeUInt16LE(3, last + 26)],
    [/"last" has no clusters/, (bytes) => bytes.writeUInt16LE(0, last + 26)],
    [/"\.O +SYS" is no name/, (bytes) => bytes.write('.', io, 'latin1')],
    [
      /claims \d+ bytes and the volume has/,
      (bytes) => {
        // What the tables have entries for, and a file that begins there.
        bytes.writeUInt16LE(bytes.readUInt16LE(19) + 90, 19);
        bytes.writeUInt16LE(8180, last + 26);
      },
    ],
    [/knows the sectors/, (bytes) => bytes.write('SYSLINUX', 3, 'latin1')],
  ];
  for (const [why, damage] of cases) {
    const bytes = Buffer.from(sound);
    damage(bytes);
    t.is(await tried(bytes, 6 * MiB), 'left', String(why));
    const volume = slice(await onDisk(bytes, 6 * MiB, guard, 512), guard, 6 * MiB);
    const { layout, reason } = await growFat(volume, bytes.length);
    t.is(layout, null, String(why));
    t.regex(reason, why);
    t.true((await readBytes(volume, 0, bytes.length)).equals(bytes), 'untouched');
  }
});
