import { RemetalError } from '../../errors/index.ts';
import { rearranged } from './arrangement.ts';
import { slotsBeside, type Load, type Room } from './solver-state.ts';
import type { SolverTarget, VolumeWish } from './solver-wishes.ts';
import { sectorsPerBlock } from './volume-table.ts';
import type { NetwareVolume, Segment } from './volumes.ts';

/* One segment as it was, and as it will be. */
interface Kept {
  readonly volume: number;
  readonly position: number;
  readonly target: number;
  readonly perBlock: number;
  readonly was: number;
  start: number;
  blocks: number;
}

interface ShapeInput {
  readonly volumes: readonly VolumeWish[];
  readonly targets: readonly SolverTarget[];
  readonly loads: readonly Load[];
  readonly rooms: readonly Room[];
}

/**
 * Volumes in the segments they had. A segment keeps its place when all segments of its target do and no
 * volume grows there; otherwise those of the target are laid one after another in the order they had, in
 * its largest free run. Blocks a volume must have beyond what it had go to its last segment.
 *
 * @throws `target-too-small` with the sectors that are missing on each target.
 */
export function sameShape(input: ShapeInput): NetwareVolume[] {
  const { volumes, targets } = input;
  const kept = volumes.flatMap((wish, volume) => keptOf(wish, volume, input.loads[volume]!));
  const short: { target: string; missingSectors: number }[] = [];
  const last = Math.max(-1, ...kept.map(({ target }) => target));
  for (let target = 0; target <= last; target++) {
    const own = kept.filter((segment) => segment.target === target);
    const missingSectors = layTarget(own, target, input);
    if (missingSectors > 0) {
      short.push({
        target: targets[target]?.name ?? `partition ${target + 1}, for which there is no target`,
        missingSectors,
      });
    }
  }
  if (short.length > 0) throw tooSmall(short);
  return volumes.map(({ definition }, volume) => {
    let firstBlock = 0;
    const segments = kept
      .filter((segment) => segment.volume === volume)
      .toSorted((a, b) => a.position - b.position)
      .map(({ target, start, blocks, perBlock }): Segment => {
        const segment = { partition: target, start, sectors: blocks * perBlock, firstBlock, blocks };
        firstBlock += blocks;
        return segment;
      });
    return rearranged(definition, segments);
  });
}

function keptOf(wish: VolumeWish, volume: number, load: Load): Kept[] {
  const before = wish.before ?? [];
  const had = before.reduce((sum, { blocks }) => sum + blocks, 0);
  if (had !== wish.definition.blocks || before.length === 0) {
    throw new RemetalError('internal', `The segments of ${wish.definition.name} do not make up its blocks`, {
      facts: { blocks: wish.definition.blocks, had },
    });
  }
  return before.map((segment, position) => ({
    volume,
    position,
    target: segment.partition,
    perBlock: sectorsPerBlock(load.blockShift),
    was: segment.start,
    start: segment.start,
    blocks: segment.blocks + (position === before.length - 1 ? load.blocks - had : 0),
  }));
}

/** Gives the segments of a target their places; answers the sectors that are missing. */
function layTarget(own: readonly Kept[], target: number, input: ShapeInput): number {
  const ordered = own.toSorted((a, b) => a.was - b.was || a.volume - b.volume);
  const needed = ordered.reduce((sum, { blocks, perBlock }) => sum + blocks * perBlock, 0);
  if (own.length === 0) return 0;
  const rooms = input.rooms.filter((room) => room.target === target);
  const room = rooms.toSorted((a, b) => b.sectors - a.sectors || a.start - b.start)[0];
  if (room === undefined || own.length > slotsBeside(input.targets[target]?.kept?.length ?? 0)) return needed;
  if (fitsWhereItWas(ordered, rooms)) {
    growLast(ordered, rooms, input.volumes);
    return 0;
  }
  if (needed > room.sectors) return needed - room.sectors;
  let at = room.start;
  for (const segment of ordered) {
    segment.start = at;
    at += segment.blocks * segment.perBlock;
  }
  growLast(ordered, rooms, input.volumes);
  return 0;
}

function endOf({ start, blocks, perBlock }: Kept): number {
  return start + blocks * perBlock;
}

function fitsWhereItWas(ordered: readonly Kept[], rooms: readonly Room[]): boolean {
  return ordered.every((segment, index) => {
    const next = ordered[index + 1];
    const end = endOf(segment);
    const inside = rooms.some(({ start, sectors }) => segment.start >= start && end <= start + sectors);
    return inside && (next === undefined || end <= next.start);
  });
}

/* What is free behind a segment of a filling volume becomes its own. */
function growLast(ordered: readonly Kept[], rooms: readonly Room[], volumes: readonly VolumeWish[]): void {
  for (const [index, segment] of ordered.entries()) {
    if (volumes[segment.volume]!.fill !== true) continue;
    const room = rooms.find(
      ({ start, sectors }) => segment.start >= start && segment.start < start + sectors,
    );
    const limit = Math.min(
      room === undefined ? 0 : room.start + room.sectors,
      ordered[index + 1]?.start ?? Infinity,
    );
    segment.blocks += Math.max(0, Math.floor((limit - endOf(segment)) / segment.perBlock));
  }
}

function tooSmall(short: readonly { target: string; missingSectors: number }[]): RemetalError {
  const missingSectors = short.reduce((sum, part) => sum + part.missingSectors, 0);
  const words = short.map((part) => `${part.missingSectors} sectors on ${part.target}`).join(', ');
  return new RemetalError(
    'target-too-small',
    `The volumes do not fit in the shape they had: ${words} are missing`,
    {
      hint: 'Use larger disks, or let the volumes take another shape.',
      facts: { missingSectors, missingBytes: missingSectors * 512, targets: short },
    },
  );
}
