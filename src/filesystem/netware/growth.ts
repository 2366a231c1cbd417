import type { BlockDevice } from '../../disk/block-device.ts';
import { RemetalError } from '../../errors/index.ts';
import type { VolumeDefinition } from '../../layout/netware/definition.ts';
import type { FatGrowth } from '../../layout/netware/index.ts';
import { readFat } from './fat-copies.ts';
import { Findings } from './findings.ts';
import { geometryOf } from './geometry.ts';

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
  return {
    blockShift: before.blockShift,
    oldBlocks: before.blocks,
    segments,
    primary,
    mirror,
    entry: (block) => ({ index: table.index(block), next: table.next(block) }),
  };
}
