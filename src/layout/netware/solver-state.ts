import { mostSegmentsOfPartition, mostSegmentsOfVolume } from './places.ts';
import { sectorsPerBlock } from './volume-table.ts';

/** A free run of a target. Logical sectors. */
export interface Room {
  readonly target: number;
  readonly start: number;
  readonly sectors: number;
}

/** What the solver has to know of a volume. */
export interface Load {
  readonly blockShift: number;
  readonly blocks: number;
  /** The only target it may lie on, or null. */
  readonly only: number | null;
}

/** Blocks of a volume in a room. The pieces of a volume are its segments, in order. */
export interface Share {
  readonly volume: number;
  readonly room: number;
  blocks: number;
}

/** How volumes are shared out over rooms, while it is being worked out; limits of segments are kept. */
export class Sharing {
  readonly shares: Share[] = [];
  readonly loads: readonly Load[];
  readonly rooms: readonly Room[];
  readonly #left: number[];
  readonly #slots: number[];
  readonly #bounded: boolean;

  /**
   * @param slots Segments each target can still take.
   * @param bounded False to see what would fit if segments were not counted.
   */
  constructor(loads: readonly Load[], rooms: readonly Room[], slots: readonly number[], bounded = true) {
    this.loads = loads;
    this.rooms = rooms;
    this.#left = rooms.map(({ sectors }) => sectors);
    this.#slots = [...slots];
    this.#bounded = bounded;
  }

  /** Sectors of a room that nothing has taken. */
  left(room: number): number {
    return this.#left[room]!;
  }

  /** Blocks of a volume that a room can still take. */
  capacity(volume: number, room: number): number {
    const { blockShift, only } = this.loads[volume]!;
    const { target } = this.rooms[room]!;
    if (only !== null && only !== target) return 0;
    if (this.#bounded && this.share(volume, room) === undefined) {
      const own = this.shares.filter((share) => share.volume === volume).length;
      if (this.#slots[target]! < 1 || own >= mostSegmentsOfVolume) return 0;
    }
    return Math.floor(this.#left[room]! / sectorsPerBlock(blockShift));
  }

  /** What a volume has in a room. */
  share(volume: number, room: number): Share | undefined {
    return this.shares.find((share) => share.volume === volume && share.room === room);
  }

  /** Blocks of a volume that have no place yet. */
  missing(volume: number): number {
    const placed = this.shares.filter((share) => share.volume === volume);
    return this.loads[volume]!.blocks - placed.reduce((sum, { blocks }) => sum + blocks, 0);
  }

  /** Gives a volume up to `blocks` blocks of a room; answers how many. */
  take(volume: number, room: number, blocks: number): number {
    const count = Math.min(blocks, this.capacity(volume, room));
    if (count < 1) return 0;
    const before = this.share(volume, room);
    if (before === undefined) this.add(volume, room, count);
    else this.grow(before, count);
    return count;
  }

  /** A segment of its own for blocks that fit. */
  add(volume: number, room: number, blocks: number): Share {
    const share: Share = { volume, room, blocks: 0 };
    this.shares.push(share);
    this.#slots[this.rooms[room]!.target]!--;
    this.grow(share, blocks);
    return share;
  }

  /** More blocks for a segment. */
  grow(share: Share, blocks: number): void {
    share.blocks += blocks;
    this.#left[share.room]! -= blocks * sectorsPerBlock(this.loads[share.volume]!.blockShift);
  }

  /** Sectors of all blocks that have no place. */
  missingSectors(): number {
    return this.loads.reduce(
      (sum, { blockShift }, volume) => sum + Math.max(0, this.missing(volume)) * sectorsPerBlock(blockShift),
      0,
    );
  }
}

/** Segments a target with `count` of them can still take. */
export function slotsBeside(count: number): number {
  return Math.max(0, mostSegmentsOfPartition - count);
}
