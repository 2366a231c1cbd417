import { checkedInteger, normalize, subtract } from '../../bytes/index.ts';
import { RemetalError } from '../../errors/index.ts';
import { rearranged } from './arrangement.ts';
import { firstSegmentSector, largestBlockShift, smallestBlockShift, unitSectors } from './places.ts';
import { sameShape } from './solver-shape.ts';
import type { ShapeWishes, SolverTarget, VolumeWish } from './solver-wishes.ts';
import { Sharing, slotsBeside, type Load, type Room, type Share } from './solver-state.ts';
import {
  largestVolumesFirst,
  pourInOrder,
  pourLargestFirst,
  spreadEvenly,
  wholeWhereTheyFit,
} from './solver-strategies.ts';
import { sectorsPerBlock } from './volume-table.ts';
import type { NetwareVolume, Segment } from './volumes.ts';

/** The name of the volume a server starts from. */
const systemVolume = 'SYS';
/** A free run smaller than this gets no new segment just to be filled: 1 MiB. */
const worthASegment = 2048;

/**
 * Finds segments for volumes on targets: at least as many blocks as asked for each, no two segments
 * overlapping, at most 8 on a target and 32 for a volume. Pure and deterministic. As long as segments
 * are not what is short, volumes are placed whenever their blocks fit at all.
 *
 * @throws `target-too-small` with the sectors that are missing, `field-range` for impossible numbers.
 */
export function solve(
  volumes: readonly VolumeWish[],
  targets: readonly SolverTarget[],
  wishes: ShapeWishes,
): NetwareVolume[] {
  const loads = volumes.map((wish): Load => {
    const { blockShift, name, blocks } = wish.definition;
    checkedInteger(blockShift, smallestBlockShift, largestBlockShift, `block shift of ${name}`);
    checkedInteger(blocks, 1, 2 ** 29, `blocks of ${name}`);
    return {
      blockShift,
      blocks: checkedInteger(wish.blocks ?? blocks, blocks, 2 ** 29, `wished blocks of ${name}`),
      only: wishes.sysFirst && name === systemVolume ? 0 : null,
    };
  });
  if (wishes.shape === 'same') return sameShape({ volumes, targets, loads, rooms: roomsOf(targets) });
  const rooms = roomsOf(targets);
  const slots = targets.map(({ kept }) => slotsBeside(kept?.length ?? 0));
  const sharing = bestSharing(loads, rooms, slots, wishes.shape);
  if (sharing === null) throw tooSmall(volumes, targets, { loads, rooms, slots });
  fill(sharing, volumes);
  return laidOut(sharing, volumes);
}

/** The free runs of all targets, on the grid of 8 sectors that hotfix moves. */
function roomsOf(targets: readonly SolverTarget[]): Room[] {
  return targets.flatMap(({ name, dataSectors, kept = [] }, target) => {
    checkedInteger(dataSectors, 0, 0xffff_ffff, `data sectors of ${name}`);
    const whole = { start: firstSegmentSector, length: Math.max(0, dataSectors - firstSegmentSector) };
    const taken = normalize(kept.map(({ start, sectors }) => ({ start, length: sectors })));
    return subtract([whole], taken).flatMap(({ start, length }) => {
      const from = Math.ceil(start / unitSectors) * unitSectors;
      const sectors = start + length - from;
      return sectors >= sectorsPerBlock(smallestBlockShift) ? [{ target, start: from, sectors }] : [];
    });
  });
}

function bestSharing(
  loads: readonly Load[],
  rooms: readonly Room[],
  slots: readonly number[],
  shape: 'packed' | 'spread',
): Sharing | null {
  const attempts = (strategies: readonly ((sharing: Sharing) => void)[]): Sharing[] =>
    strategies
      .map((strategy) => {
        const sharing = new Sharing(loads, rooms, slots);
        strategy(sharing);
        return sharing;
      })
      .filter((sharing) => sharing.missingSectors() === 0);
  const [spread] = shape === 'spread' ? attempts([spreadEvenly]) : [];
  if (spread !== undefined) return spread;
  const packed = attempts([wholeWhereTheyFit, pourLargestFirst, pourInOrder, largestVolumesFirst]);
  return packed.toSorted((a, b) => a.shares.length - b.shares.length)[0] ?? null;
}

function tooSmall(
  volumes: readonly VolumeWish[],
  targets: readonly SolverTarget[],
  state: { loads: readonly Load[]; rooms: readonly Room[]; slots: readonly number[] },
): RemetalError {
  const unlimited = new Sharing(state.loads, state.rooms, state.slots, false);
  pourInOrder(unlimited);
  const short = unlimited.missingSectors();
  const bounded = new Sharing(state.loads, state.rooms, state.slots);
  pourLargestFirst(bounded);
  const missingSectors = short > 0 ? short : bounded.missingSectors();
  const sharing = short > 0 ? unlimited : bounded;
  const names = volumes.map(({ definition }) => definition.name);
  const without = names.filter((_, volume) => sharing.missing(volume) > 0);
  const onlyFirst = state.loads.every(({ only }, volume) => only !== null || sharing.missing(volume) <= 0);
  const where =
    onlyFirst && targets.length > 1 ? (targets[0]?.name ?? 'the first disk') : 'the NetWare partitions';
  return new RemetalError(
    'target-too-small',
    short > 0
      ? `No room on ${where} for ${without.join(', ')}: ${missingSectors} sectors (${missingSectors * 512} bytes) are missing`
      : `${without.join(', ')} would need more segments than a partition (8) or a volume (32) can have; ${missingSectors} sectors found no place`,
    {
      hint:
        onlyFirst && targets.length > 1
          ? 'Use a larger first disk, or let SYS lie elsewhere.'
          : 'Use larger disks, or one more.',
      facts: {
        missingSectors,
        missingBytes: missingSectors * 512,
        volumes: without,
        segmentsShort: short === 0,
        targets: targets.map(({ name, dataSectors }) => ({ name, dataSectors })),
      },
    },
  );
}

/*
 * What is free in a room goes to the filling volumes that have a segment in it, in proportion to what
 * they have there; where none has, to the first of them that may have one more.
 */
function fill(sharing: Sharing, volumes: readonly VolumeWish[]): void {
  const filling = volumes.flatMap(({ fill: wanted }, volume) => (wanted === true ? [volume] : []));
  if (filling.length === 0) return;
  for (const room of sharing.rooms.keys()) {
    const present = sharing.shares.filter((share) => share.room === room && filling.includes(share.volume));
    if (present.length > 0) {
      fillRoom(sharing, room, present);
    } else if (sharing.left(room) >= worthASegment) {
      const taker = filling.find((volume) => sharing.capacity(volume, room) > 0);
      if (taker !== undefined) sharing.take(taker, room, sharing.capacity(taker, room));
    }
  }
}

function fillRoom(sharing: Sharing, room: number, present: readonly Share[]): void {
  const size = ({ volume, blocks }: Share): bigint =>
    BigInt(blocks * sectorsPerBlock(sharing.loads[volume]!.blockShift));
  const free = BigInt(sharing.left(room));
  const total = present.reduce((sum, share) => sum + size(share), 0n);
  const quotas = present.map((share) => {
    const sectors = Number((free * size(share)) / total);
    return Math.floor(sectors / sectorsPerBlock(sharing.loads[share.volume]!.blockShift));
  });
  present.forEach((share, index) => {
    sharing.take(share.volume, room, quotas[index]!);
  });
  for (const { volume } of present.toSorted((a, b) => a.volume - b.volume)) {
    sharing.take(volume, room, sharing.capacity(volume, room));
  }
}

/** Segments from shares: within a room volume after volume, a volume's segments in the order of the rooms. */
function laidOut(sharing: Sharing, volumes: readonly VolumeWish[]): NetwareVolume[] {
  const ends = sharing.rooms.map(({ start }) => start);
  return volumes.map(({ definition }, volume) => {
    const own = sharing.shares.filter((share) => share.volume === volume).toSorted((a, b) => a.room - b.room);
    let firstBlock = 0;
    const segments = own.map(({ room, blocks }): Segment => {
      const sectors = blocks * sectorsPerBlock(definition.blockShift);
      const segment = {
        partition: sharing.rooms[room]!.target,
        start: ends[room]!,
        sectors,
        firstBlock,
        blocks,
      };
      ends[room]! += sectors;
      firstBlock += blocks;
      return segment;
    });
    return rearranged(definition, segments);
  });
}
