import { RemetalError } from '../../errors/index.ts';
import type { Netware } from './disks.ts';
import { mostSegmentsOfPartition } from './places.ts';
import type { NetwareRecord, NetwareVolumeRecord } from './record.ts';
import type { NetwareVolume } from './volumes.ts';

/**
 * The record of what was read; what could not be read or put together is not in it.
 *
 * @param leftOut Volumes whose deleted files are not in the set.
 */
export function netwareRecord(
  netware: Pick<Netware, 'partitions' | 'groups' | 'volumes'>,
  leftOut: ReadonlySet<NetwareVolume> = new Set(),
): NetwareRecord {
  return {
    partitions: netware.partitions.map(({ disk, number, partition }, index) => {
      const { hotfix, mirror, redirections, stamp, tablePlace } = partition;
      const group = netware.groups.find(({ members }) =>
        members.some((member) => member.partition === index),
      );
      return {
        disk,
        partition: number,
        created: stamp?.created ?? null,
        id: hotfix.id,
        hotfixSectors: hotfix.hotfixSectors,
        dataSectors: hotfix.dataSectors,
        tablePlace,
        mirror:
          group === undefined || mirror === null
            ? null
            : {
                group: group.group,
                members: group.members.map(({ id }) => id),
                inSync: group.members.some((member) => member.partition === index && member.inSync),
                leader: group.used[0] === index,
              },
        redirections: redirections.moved.map(({ logical, spare, lost }) => ({ logical, spare, lost })),
      };
    }),
    volumes: netware.volumes.map((volume) => recordOf(volume, leftOut.has(volume))),
  };
}

function recordOf({ definition, segments }: NetwareVolume, leftOut: boolean): NetwareVolumeRecord {
  return {
    name: definition.name,
    blockShift: definition.blockShift,
    blocks: definition.blocks,
    firstFat: definition.firstFat,
    mirrorFat: definition.mirrorFat,
    firstDirectory: definition.firstDirectory,
    mirrorDirectory: definition.mirrorDirectory,
    flags: definition.flags,
    sync: definition.sync,
    segments: segments.map(({ partition, start, sectors, blocks }) => ({
      partition,
      start,
      sectors,
      blocks,
    })),
    ...(leftOut ? { deleted: 'left-out' } : {}),
  };
}

/**
 * The volumes of a record, as `readNetware` found them.
 *
 * @throws `layout-unknown` when a segment names a partition that is not in the record, the segments do
 *   not make up the volume, or a partition has more segments than it can.
 */
export function volumesOfRecord(record: NetwareRecord): NetwareVolume[] {
  const counts = record.partitions.map(() => 0);
  return record.volumes.map((volume) => {
    let firstBlock = 0;
    const segments = volume.segments.map(({ partition, start, sectors, blocks }) => {
      const count = counts[partition];
      if (count === undefined || count >= mostSegmentsOfPartition) {
        throw contradicting(volume.name, `a segment on partition ${partition + 1} of ${counts.length}`);
      }
      counts[partition] = count + 1;
      const segment = { partition, start, sectors, firstBlock, blocks };
      firstBlock += blocks;
      return segment;
    });
    if (firstBlock !== volume.blocks) {
      throw contradicting(volume.name, `${firstBlock} blocks in its segments and ${volume.blocks} in all`);
    }
    return {
      definition: {
        name: volume.name,
        blockShift: volume.blockShift,
        blocks: volume.blocks,
        firstFat: volume.firstFat,
        mirrorFat: volume.mirrorFat,
        firstDirectory: volume.firstDirectory,
        mirrorDirectory: volume.mirrorDirectory,
        segments: segments.map(({ firstBlock: first, blocks }) => ({ firstBlock: first, blocks })),
        flags: volume.flags,
        sync: volume.sync,
      },
      segments,
    };
  });
}

function contradicting(volume: string, what: string): RemetalError {
  return new RemetalError(
    'layout-unknown',
    `The layout record contradicts itself: NetWare volume ${volume} has ${what}`,
    {
      facts: { volume },
    },
  );
}
