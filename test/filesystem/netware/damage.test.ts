import { createHash } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { isCoded } from '../../../src/errors/index.ts';
import { openNetwareVolume, type NetwareFileSystem } from '../../../src/filesystem/netware/index.ts';
import type { VolumeDefinition } from '../../../src/layout/netware/index.ts';
import { checkFileSystem } from '../../contract/filesystem.ts';
import { requires } from '../../helpers/requires.ts';
import { memoryDevice } from '../devices.ts';
import { named, recordOf, VolumeMaker } from './maker.ts';
import { all, bytesOf, entriesOf } from './volumes.ts';

const images = [
  ['a-basic4k', 'SYS'],
  ['b-suballoc64k', 'SYS'],
  ['c-segments', 'VOL1'],
  ['d-deleted', 'SYS'],
  ['e-long', 'SYS'],
] as const;

/** Blocks of the chain that begins at `first`, by the FAT of a sound volume. */
function chainOf(
  bytes: Buffer,
  definition: VolumeDefinition,
  first: number,
  fat: readonly number[],
): number[] {
  const blockSize = 512 * 2 ** definition.blockShift;
  const blocks: number[] = [];
  for (let block = first; block !== 0xff_ff_ff_ff;) {
    blocks.push(block);
    const known = fat.length === 0 ? blocks : fat;
    const at = known[Math.floor((block * 8) / blockSize)]! * blockSize + ((block * 8) % blockSize);
    block = bytes.readUInt32LE(at + 4);
  }
  return blocks;
}

/** The blocks of FAT, mirror, directory and mirror. */
function structuresOf(bytes: Buffer, definition: VolumeDefinition): Record<string, number[]> {
  const fat = chainOf(bytes, definition, definition.firstFat, []);
  const chain = (first: number): number[] => chainOf(bytes, definition, first, fat);
  return {
    fat,
    mirrorFat: chain(definition.mirrorFat),
    directory: chain(definition.firstDirectory),
    mirrorDirectory: chain(definition.mirrorDirectory),
  };
}

/** Path and hash of every file, deleted ones included. */
async function contentsOf(filesystem: NetwareFileSystem): Promise<string[]> {
  const out: string[] = [];
  for (const file of [...(await all(filesystem.walk())), ...(await all(filesystem.deleted()))]) {
    if (file.kind === 'directory') continue;
    const hash = createHash('sha256');
    for await (const piece of filesystem.stream(file)) hash.update(piece);
    out.push(`${file.path} ${hash.digest('hex')}`);
  }
  return out.toSorted();
}

const wipes: readonly [string, (block: Buffer) => void][] = [
  ['zeros', (block) => block.fill(0)],
  ['ones', (block) => block.fill(0xff)],
  ['BD', (block) => block.fill(0xbd)],
  [
    'another block of the volume',
    (block) =>
      block.set(
        Buffer.from('some text of a file, line after line\r\n'.repeat(2000)).subarray(0, block.length),
      ),
  ],
];

for (const [image, volume] of images) {
  requires('zstd')(`${image}: any block of one copy may be lost, and any copy as a whole`, async (t) => {
    const { bytes: sound, definition } = await bytesOf(image, volume);
    const expected = entriesOf(image, volume)
      .filter(({ type }) => type === 'file')
      .map(({ path, sha256 }) => `${path} ${sha256}`)
      .toSorted();
    const blockSize = 512 * 2 ** definition.blockShift;
    const bytes = Buffer.from(sound);
    const expectAll = async (
      what: string,
      blocks: readonly number[],
      wipe: (block: Buffer) => void,
    ): Promise<void> => {
      for (const block of blocks) wipe(bytes.subarray(block * blockSize, (block + 1) * blockSize));
      if (bytes.equals(sound)) return;
      const filesystem = await openNetwareVolume(memoryDevice(bytes), definition);
      t.deepEqual(await contentsOf(filesystem), expected, what);
      t.true((await filesystem.check()).length > 0, what);
      for (const block of blocks)
        sound.copy(bytes, block * blockSize, block * blockSize, (block + 1) * blockSize);
    };
    for (const [copy, blocks] of Object.entries(structuresOf(sound, definition))) {
      for (const [how, wipe] of wipes) {
        await expectAll(`${copy} as a whole: ${how}`, blocks, wipe);
        const some = [blocks[0]!, blocks.at(-1)!, blocks[Math.floor(blocks.length / 2)]!];
        for (const block of new Set(some)) await expectAll(`${copy} block ${block}: ${how}`, [block], wipe);
      }
    }
  });

  requires('zstd')(`${image}: sectors of one copy that cannot be read cost nothing`, async (t) => {
    const { bytes, definition } = await bytesOf(image, volume);
    const blockSize = 512 * 2 ** definition.blockShift;
    const whole = await contentsOf(await openNetwareVolume(memoryDevice(bytes), definition));
    for (const blocks of Object.values(structuresOf(bytes, definition))) {
      const device = memoryDevice(bytes);
      device.broken = blocks.map((block) => ({ start: block * blockSize + 512, length: 512 }));
      const filesystem = await openNetwareVolume(device, definition);
      t.deepEqual(await contentsOf(filesystem), whole);
      t.is((await filesystem.usedMap()).reason, null);
    }
  });
}

/** One after another: everything a user can ask; only coded errors may come of it. */
async function askAll(t: ExecutionContext<any>, bytes: Buffer, definition: VolumeDefinition): Promise<void> {
  const device = memoryDevice(bytes);
  const filesystem = await openNetwareVolume(device, definition);
  await checkFileSystem(t, device, filesystem);
  for (const list of [() => filesystem.walk(), () => filesystem.deleted()]) {
    try {
      for await (const file of list()) {
        t.true(file.path.startsWith('/'));
        await readSome(filesystem, file);
      }
    } catch (error) {
      if (!isCoded(error, 'filesystem-damaged')) throw error;
    }
  }
  t.true(Array.isArray(await filesystem.check()));
}

async function readSome(
  filesystem: NetwareFileSystem,
  file: Parameters<NetwareFileSystem['read']>[0],
): Promise<void> {
  for (const fork of ['data', 'resource'] as const) {
    const length = filesystem.length(file, fork);
    for (const offset of [0, Math.max(0, length - 5000)]) {
      try {
        await filesystem.read(file, { offset, length: 5000, fork });
      } catch (error) {
        if (!isCoded(error, 'filesystem-damaged')) throw error;
      }
    }
  }
}

/** A volume with one of everything, 1 MiB. */
function everything(): VolumeMaker {
  const rest = recordOf([0, 4, 0xab_a1_21_90], [4, 4, 20], [8, 4, 1], [12, 1, 4], [16, 4, 0x41_42_43_44]);
  const maker = new VolumeMaker({
    volumeFlags: 0x36,
    nameSpaces: [0, 1, 4],
    records: 192,
    extended: [Buffer.alloc(128), rest, rest],
  });
  maker.roots(10, [1, 4]);
  const pieces = maker.store(Buffer.alloc(3 * 4096, 'p'));
  maker.put(20, recordOf([0, 4, 0xff_ff_ff_fb], [16 + 3 * 4, 4, pieces]));
  maker.record(0).writeUInt32LE(20, 120);
  const data = maker.store(Buffer.alloc(5 * 4096, 'd'));
  maker.put(
    1,
    named(0, 0, 'FILE.TXT', [48, 4, 5 * 4096 - 7], [52, 4, data], [56, 4, 64], [120, 4, 1], [124, 4, 2]),
  );
  maker.put(
    2,
    named(
      0,
      1,
      'file',
      [44, 4, maker.store(Buffer.alloc(5000, 'r'))],
      [48, 4, 5000],
      [120, 4, 1],
      [124, 4, 3],
    ),
  );
  maker.put(3, named(0, 4, 'x'.repeat(80), [92, 4, 1], [96, 1, 2], [97, 1, 100], [120, 4, 1]));
  maker.put(4, named(0, 0, 'DIR', [4, 4, 0x10], [9, 1, 0x14], [120, 4, 4], [124, 4, 5]));
  maker.put(5, named(0, 4, 'dir', [120, 4, 4]));
  maker.put(6, named(0, 0, 'TAIL', [48, 4, 1400], [52, 4, 0x8300_0002], [120, 4, 6]));
  maker.put(
    7,
    named(
      0,
      0,
      'PACKED',
      [4, 4, 0x400_0000],
      [48, 4, 90_000],
      [52, 4, maker.store(Buffer.alloc(8192, 'c'))],
      [120, 4, 7],
    ),
  );
  maker.put(64, recordOf([0, 4, 0xff_ff_ff_fe], [9, 1, 16], [20, 4, 1], [16, 4, 65]));
  maker.put(65, recordOf([0, 4, 0xff_ff_ff_fe], [9, 1, 1], [20, 4, 1], [24, -4, 7]));
  maker.put(66, recordOf([0, 4, 0xff_ff_ff_fc], [9, 1, 1], [16, -4, 5]));
  maker.put(96, named(4, 0, 'INNER', [52, 4, 0xff_ff_ff_ff], [120, 4, 96]));
  maker.put(
    128,
    named(
      4,
      0,
      'GONE',
      [9, 1, 0x28],
      [48, 4, 4000],
      [52, 4, maker.store(Buffer.alloc(4000, 'g'))],
      [104, 4, 0x2221_0000],
      [120, 4, 128],
    ),
  );
  maker.finish();
  return maker;
}

/** Numbers that break arithmetic, and links that look right. */
const nasty = fc.oneof(
  fc.constantFrom(
    0,
    1,
    2,
    3,
    64,
    65,
    255,
    256,
    257,
    0x7f_ff_ff_ff,
    0x80_00_00_00,
    0x83_00_00_02,
    0xfe_ff_ff_ff,
  ),
  fc.integer({ min: 0, max: 300 }),
  fc.integer({ min: 0xff_ff_ff_f0, max: 0xff_ff_ff_ff }),
  fc.nat(0x7f_ff_ff_ff),
);

/** A volume of 1 MiB is gone over in a fraction of this. */
const longest = 3000;

test.serial('hostile numbers anywhere in FAT and directories, in one copy or both', async (t) => {
  const maker = everything();
  const sound = Buffer.from(maker.bytes);
  const { mirrorFat, firstDirectory, mirrorDirectory } = maker.definition;
  const change = fc.record({
    fat: fc.boolean(),
    word: fc.oneof(fc.nat(255), fc.nat(48 * 128)),
    value: nasty,
    copies: fc.constantFrom('primary', 'mirror', 'both'),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 8 }), async (changes) => {
      sound.copy(maker.bytes);
      for (const { fat, word, value, copies } of changes) {
        const at = fat ? (word % 512) * 4 : (word % (32 * 192)) * 4;
        const firsts = fat ? [0, mirrorFat] : [firstDirectory, mirrorDirectory];
        for (const [side, first] of firsts.entries()) {
          if (copies === 'both' || copies === ['primary', 'mirror'][side]) {
            maker.bytes.writeUInt32LE(value, first * 4096 + at);
          }
        }
      }
      const began = performance.now();
      await askAll(t, maker.bytes, maker.definition);
      t.true(performance.now() - began < longest);
    }),
    { numRuns: 1000, endOnFailure: true },
  );
});

test.serial('hostile definitions', async (t) => {
  const maker = everything();
  const number = fc.oneof(nasty, fc.constantFrom(-1, 0.5, Number.NaN, 2 ** 53));
  const definition = fc.record({
    blockShift: fc.oneof(fc.integer({ min: 3, max: 7 }), number),
    blocks: number,
    firstFat: number,
    mirrorFat: number,
    firstDirectory: number,
    mirrorDirectory: number,
    segments: fc.array(fc.record({ firstBlock: number, blocks: number }), { maxLength: 3 }),
  });
  const part = fc.dictionary(
    fc.constantFrom(
      'blockShift',
      'blocks',
      'firstFat',
      'mirrorFat',
      'firstDirectory',
      'mirrorDirectory',
      'segments',
    ),
    fc.constant(true),
  );
  await fc.assert(
    fc.asyncProperty(definition, part, async (hostile, taken) => {
      const changed = Object.fromEntries(Object.entries(hostile).filter(([key]) => taken[key] === true));
      await askAll(t, maker.bytes, { ...maker.definition, ...changed });
    }),
    { numRuns: 1000, endOnFailure: true },
  );
});

test.serial('a volume of noise', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 4096, maxLength: 4096 }), fc.nat(3), async (noise, kind) => {
      const maker = everything();
      const { firstDirectory, mirrorDirectory, mirrorFat } = maker.definition;
      const places = [
        [0, mirrorFat],
        [firstDirectory, mirrorDirectory],
        [firstDirectory + 4, mirrorDirectory + 4],
        [0, firstDirectory],
      ][kind]!;
      for (const block of places) maker.bytes.set(noise, block * 4096);
      await askAll(t, maker.bytes, maker.definition);
    }),
    { numRuns: 500, endOnFailure: true },
  );
});

test.serial('a volume of millions of blocks that is not there makes nothing large', async (t) => {
  const maker = everything();
  const before = process.memoryUsage();
  const filesystem = await openNetwareVolume(memoryDevice(maker.bytes), {
    ...maker.definition,
    blocks: 2 ** 24,
  });
  t.false((await filesystem.usedMap()).trusted);
  await t.throwsAsync(async () => all(filesystem.walk()), { code: 'filesystem-damaged' });
  t.true(process.memoryUsage().rss - before.rss < 50 * 1024 * 1024);
});

test.serial('ten thousand directories inside one another are not followed for ever', async (t) => {
  const maker = new VolumeMaker({ blocks: 2048, records: 10_240 });
  for (let number = 1; number < 10_000; number++) {
    maker.put(number, named(number - 1, 0, `D${number}`, [4, 4, 0x10], [9, 1, 0x14], [120, 4, number]));
  }
  const began = performance.now();
  const filesystem = await openNetwareVolume(maker.finish(), maker.definition);
  t.is((await all(filesystem.walk())).length, 9999);
  t.true((await filesystem.check()).some(({ code }) => code === 'record-loop'));
  t.true(performance.now() - began < 5000);
});
