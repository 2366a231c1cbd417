import test from 'ava';
import fc from 'fast-check';
import { memoryDisk, type BlockDevice } from '../../../src/disk/index.ts';
import {
  dataPartitionWrites,
  extendFat,
  layStructures,
  logicalOf,
  logicalPartition,
  mappingOf,
  planFatExtension,
  readNetware,
  solve,
  volumeDevice,
  volumeNamed,
  volumeTables,
  volumeTableWrites,
  type FatGrowth,
  type NetwareVolume,
  type ShapeWishes,
} from '../../../src/layout/netware/index.ts';
import { requires } from '../../helpers/requires.ts';
import { disksOf } from './images.ts';
import { contentOf, fresh, tableWith } from './made.ts';

/** Follows a FAT chain with nothing but what was read of it so far, and gives its blocks and its content. */
async function followed(
  volume: BlockDevice,
  first: number,
  blockSize: number,
): Promise<{ chain: number[]; fat: Buffer }> {
  const chain: number[] = [];
  const parts: Buffer[] = [];
  for (let block = first; block !== 0xffff_ffff;) {
    if (chain.at(-1) !== undefined && block <= chain.at(-1)!) throw new Error(`back to ${block}`);
    parts.push(await contentOf(volume, block * blockSize, blockSize));
    const index = chain.push(block) - 1;
    const fat = Buffer.concat(parts);
    if (fat.readUInt32LE(block * 8) !== index) throw new Error(`index of ${block}`);
    block = fat.readUInt32LE(block * 8 + 4);
  }
  return { chain, fat: Buffer.concat(parts) };
}

interface Made {
  readonly volume: BlockDevice;
  readonly growth: FatGrowth;
  readonly fat: Buffer;
}

/** A volume whose first `oldBlocks` blocks have a FAT, laid as servers lay it, in more blocks than that. */
async function withFat(
  blockShift: number,
  oldBlocks: number,
  segments: FatGrowth['segments'],
): Promise<Made> {
  const blockSize = 512 * 2 ** blockShift;
  const run = (256 * 1024) / blockSize;
  const count = Math.ceil((oldBlocks * 8) / blockSize);
  const primary = Array.from({ length: count }, (_, i) => Math.floor(i / run) * 2 * run + (i % run));
  const mirror = primary.map((block) => block + run);
  const fat = Buffer.alloc(count * blockSize);
  for (const chain of [primary, mirror]) {
    for (const [index, block] of chain.entries()) {
      fat.writeUInt32LE(index, block * 8);
      fat.writeUInt32LE(chain[index + 1] ?? 0xffff_ffff, block * 8 + 4);
    }
  }
  const blocks = segments.reduce((sum, segment) => sum + segment.blocks, 0);
  const volume = memoryDisk(blocks * blockSize);
  for (const chain of [primary, mirror]) {
    for (const [index, block] of chain.entries()) {
      await volume.write(fat.subarray(index * blockSize, (index + 1) * blockSize), block * blockSize);
    }
  }
  const entry = (block: number): { index: number; next: number } => ({
    index: fat.readUInt32LE(block * 8),
    next: fat.readUInt32LE(block * 8 + 4),
  });
  return { volume, fat, growth: { blockShift, oldBlocks, segments, primary, mirror, entry } };
}

/** Segments that follow one another, of so many blocks each. */
function runs(...blocks: number[]): { firstBlock: number; blocks: number }[] {
  let firstBlock = 0;
  return blocks.map((count) => {
    const segment = { firstBlock, blocks: count };
    firstBlock += count;
    return segment;
  });
}

test('a new segment begins with the FAT blocks it needs, the mirror 256 KiB further on', async (t) => {
  const { growth } = await withFat(3, 2048, runs(2048, 1500));
  const { primary, mirror, entries, before } = planFatExtension(growth);
  t.is(before, 4);
  t.deepEqual(primary, [0, 1, 2, 3, 2048, 2049, 2050]);
  t.deepEqual(mirror, [64, 65, 66, 67, 2112, 2113, 2114]);
  t.deepEqual(entries, [
    { block: 2048, index: 4, next: 2049 },
    { block: 2049, index: 5, next: 2050 },
    { block: 2050, index: 6, next: 0xffff_ffff },
    { block: 2112, index: 4, next: 2113 },
    { block: 2113, index: 5, next: 2114 },
    { block: 2114, index: 6, next: 0xffff_ffff },
    { block: 3, index: 3, next: 2048 },
    { block: 67, index: 3, next: 2112 },
  ]);
});

test('a FAT block that two segments share stays in the first of them', async (t) => {
  const { growth } = await withFat(3, 2000, runs(2000, 40, 600));
  const { primary } = planFatExtension(growth);
  t.deepEqual(primary, [0, 1, 2, 3, 2040, 2041]);
});

test('long runs alternate between the copies', async (t) => {
  const { growth } = await withFat(3, 2048, runs(2048, 100 * 512));
  const { primary, mirror } = planFatExtension(growth);
  const own = primary.slice(4);
  t.is(own.length, 100);
  t.deepEqual([own[0], own[63], own[64], own[99]], [2048, 2111, 2176, 2211]);
  t.deepEqual([mirror[4], mirror[67], mirror[68]], [2112, 2175, 2240]);
});

test('room the FAT already has entries for needs no blocks', async (t) => {
  const { growth, volume, fat } = await withFat(3, 2000, runs(2000, 48));
  const plan = planFatExtension(growth);
  t.deepEqual(plan.entries, []);
  await extendFat(volume, plan);
  t.true((await followed(volume, 0, 4096)).fat.equals(fat));
});

test('room too small for the FAT it needs: free blocks of the volume take it, or it is refused', async (t) => {
  const { growth } = await withFat(3, 2048, runs(2048, 1));
  const free = planFatExtension(growth);
  t.deepEqual([free.primary.slice(4), free.mirror.slice(4)], [[2046], [2047]]);
  const full = {
    ...growth,
    entry: (block: number) =>
      growth.primary.includes(block) || growth.mirror.includes(block)
        ? growth.entry(block)
        : { index: 0, next: 0xffff_ffff },
  };
  t.throws(() => planFatExtension(full), { code: 'grow-impossible' });
  const { growth: bare } = await withFat(3, 2048, runs(2048, 2));
  t.deepEqual(planFatExtension(bare).primary.slice(4), [2048]);
  t.deepEqual(planFatExtension(bare).mirror.slice(4), [2049]);
});

test('a FAT that does not end as it should is not extended', async (t) => {
  const { growth } = await withFat(3, 2000, runs(2000, 1500));
  const { entry } = growth;
  const wrong: Partial<FatGrowth>[] = [
    { mirror: growth.mirror.slice(1) },
    { primary: [], mirror: [] },
    { primary: growth.primary.slice(0, 3), mirror: growth.mirror.slice(0, 3) },
    { entry: (block) => (block === 3 ? { index: 3, next: 9 } : entry(block)) },
    { entry: (block) => (block === 67 ? { index: 2, next: 0xffff_ffff } : entry(block)) },
    { entry: (block) => (block === 2040 ? { index: 0, next: 0xffff_ffff } : entry(block)) },
  ];
  for (const part of wrong) {
    t.throws(() => planFatExtension({ ...growth, ...part }), { code: 'filesystem-damaged' });
  }
});

test('an extended FAT can be followed from its start in both copies, alike, and keeps what it said', async (t) => {
  const shape = fc.record({
    blockShift: fc.integer({ min: 3, max: 5 }),
    first: fc.integer({ min: 600, max: 20_000 }),
    more: fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 4 }),
    inside: fc.nat(500),
  });
  let grown = 0;
  await fc.assert(
    fc.asyncProperty(shape, async ({ blockShift, first, more, inside }) => {
      const { volume, fat, growth } = await withFat(blockShift, first - inside, runs(first, ...more));
      let plan;
      try {
        plan = planFatExtension(growth);
      } catch (error) {
        t.like(error, { code: 'grow-impossible' });
        return;
      }
      await extendFat(volume, plan);
      const { blockSize, blocks } = plan;
      const primary = await followed(volume, 0, blockSize);
      const mirror = await followed(volume, growth.mirror[0]!, blockSize);
      t.deepEqual([primary.chain, mirror.chain], [[...plan.primary], [...plan.mirror]]);
      t.true(primary.fat.equals(mirror.fat));
      t.is(plan.primary.length, Math.ceil((blocks * 8) / blockSize));
      grown++;
      t.is(new Set([...plan.primary, ...plan.mirror]).size, plan.primary.length * 2);
      t.true([...plan.primary, ...plan.mirror].every((block) => block < blocks));
      const changed = new Set(plan.entries.map(({ block }) => block));
      for (let block = 0; block < plan.primary.length * (blockSize / 8); block++) {
        const now = primary.fat.readBigUInt64LE(block * 8);
        const was = block * 8 < fat.length ? fat.readBigUInt64LE(block * 8) : 0n;
        if (!changed.has(block) && now !== was) t.fail(`entry ${block} changed`);
      }
    }),
    { numRuns: 60 },
  );
  t.true(grown > 40, `${grown}`);
});

/** Puts a volume of an image on new disks of these sizes, larger by what is left, its FAT extended. */
async function restored(
  source: { volume: NetwareVolume; content: Buffer },
  sizes: readonly number[],
  shape: ShapeWishes['shape'],
): Promise<{ device: BlockDevice; found: NetwareVolume }> {
  const partitions = sizes.map((sectors, index) =>
    fresh(sectors, { id: 2 * index + 1, group: 2 * index + 2 }),
  );
  const targets = partitions.map(({ hotfix }, index) => ({
    name: `disk${index + 1}`,
    dataSectors: hotfix.dataSectors,
    kept: [],
  }));
  const wish = { definition: source.volume.definition, fill: true };
  const [solved] = solve([wish], targets, { shape, sysFirst: false });
  const tables = volumeTables([solved!], targets);
  const disks = await Promise.all(
    partitions.map(async (partition, index) => {
      const device = memoryDisk((1008 + partition.sectors) * 512);
      const table = tableWith(partition.sectors);
      return { id: `disk${index + 1}`, device, table, partition };
    }),
  );
  const logicals: BlockDevice[] = [];
  for (const [index, { device, partition }] of disks.entries()) {
    const own = sliceOf(device, partition.sectors);
    await layStructures(own, dataPartitionWrites(partition, null));
    logicals.push(logicalPartition(own, mappingOf(partition)));
    await layStructures(logicals[index]!, volumeTableWrites(tables[index]!));
  }
  const netware = await readNetware(disks);
  const found = volumeNamed(netware, source.volume.definition.name);
  const device = volumeDevice(found, (index) => logicalOf(netware, index));
  await device.write(source.content, 0);
  return { device, found };
}

function sliceOf(device: BlockDevice, sectors: number): BlockDevice {
  const start = 1008 * 512;
  return {
    ...device,
    size: sectors * 512,
    read: (target, offset) => device.read(target, start + offset),
    write: (bytes, offset) => device.write(bytes, start + offset),
  };
}

for (const [image, name, sizes, shape] of [
  ['a-basic4k', 'SYS', [90_000], 'packed'],
  ['a-basic4k', 'SYS', [30_000, 30_000, 12_000], 'spread'],
  ['b-suballoc64k', 'SYS', [120_000, 50_000], 'packed'],
  ['c-segments', 'VOL1', [200_000], 'packed'],
] as const) {
  requires('zstd')(
    `${image}: a volume comes back larger on ${sizes.length} disks and its FAT speaks for all of it`,
    async (t) => {
      const netware = await readNetware(await disksOf(image));
      const volume = volumeNamed(netware, name);
      const { blockShift, blocks, firstFat, mirrorFat } = volume.definition;
      const blockSize = 512 * 2 ** blockShift;
      const content = await contentOf(volumeDevice(volume, (index) => logicalOf(netware, index)));
      const { device, found } = await restored({ volume, content }, sizes, shape);
      t.true(found.definition.blocks > blocks);
      const primary = await followed(device, firstFat, blockSize);
      const mirror = await followed(device, mirrorFat, blockSize);
      const plan = planFatExtension({
        blockShift,
        oldBlocks: blocks,
        segments: found.definition.segments,
        primary: primary.chain,
        mirror: mirror.chain,
        entry: (block) => ({
          index: primary.fat.readUInt32LE(block * 8),
          next: primary.fat.readUInt32LE(block * 8 + 4),
        }),
      });
      await extendFat(device, plan);
      const after = await followed(device, firstFat, blockSize);
      t.true(after.fat.equals((await followed(device, mirrorFat, blockSize)).fat));
      t.true(after.fat.length >= found.definition.blocks * 8);
      // Nothing of the old volume changed but the ends of the FAT chains.
      const now = await contentOf(device, 0, content.length);
      let differing = 0;
      for (let at = 0; at < now.length; at += 512) {
        if (!now.subarray(at, at + 512).equals(content.subarray(at, at + 512))) differing++;
      }
      t.true(differing <= 4 + 2 * plan.entries.length, `${differing}`);
    },
  );
}
