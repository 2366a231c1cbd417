import type { BlockDevice } from '../../disk/block-device.ts';
import { RemetalError } from '../../errors/index.ts';
import type { VolumeDefinition } from '../../layout/netware/definition.ts';
import type { FatGrowth } from '../../layout/netware/index.ts';
import { readFat } from './fat-copies.ts';
import { Findings } from './findings.ts';
import { entrySize, geometryOf } from './geometry.ts';

/**
 * What `planFatExtension` needs of a volume that has been given more blocks: its FAT as it is.
 *
 * @param before The volume as its FAT knows it; `device` begins with it.
 * @param segments Its segments now, in order.
 * @throws `filesystem-damaged` for a definition that contradicts the device.
 */
export async function fatGrowthOf(
  device: BlockDevice,
  before: VolumeDefinition,
  segments: FatGrowth['segments'],
): Promise<FatGrowth> {
  const geometry = geometryOf(device, before);
  if (typeof geometry === 'string') {
    throw new RemetalError('filesystem-damaged', `${before.name}: ${geometry}`, {
      facts: { volume: before.name },
    });
  }
  const { table, primary, mirror } = await readFat(device, geometry, before, new Findings());
  const { blockSize, blocks, entriesPerBlock } = geometry;
  // Behind the entries of the last block of the volume its FAT block goes on, with entries of blocks to come.
  const last = Buffer.alloc(blockSize);
  const lastBlock = primary.at(-1);
  if (lastBlock !== undefined) await device.read(last, lastBlock * blockSize);
  const behind = (block: number, at: number): number =>
    last.readUInt32LE((block % entriesPerBlock) * entrySize + at);
  return {
    blockShift: before.blockShift,
    oldBlocks: before.blocks,
    segments,
    primary,
    mirror,
    entry: (block) =>
      block < blocks
        ? { index: table.index(block), next: table.next(block) }
        : { index: behind(block, 0), next: behind(block, 4) },
  };
}
