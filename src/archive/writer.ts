import type { Extent } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import type { Layout } from '../layout/layout.ts';
import type { Medium } from '../medium/medium.ts';
import type { SetHead, SetTotals, VolumeMap } from './set.ts';

export interface SetRequest {
  readonly head: SetHead;
  readonly layout: Layout;
  /** zstd level, 1 by default; 0 stores plain. */
  readonly level: number;
  /** Name of the set on its medium. */
  readonly name: string;
}

export interface GroupOptions {
  /** Byte extents of the volume, inside the group, that could not be read and are zeros here. */
  readonly unreadable?: readonly Extent[];
  /** Called once the plain buffer is no longer needed; until then its bytes must not change. */
  readonly release?: () => void;
}

/** What only the caller knows of a finished backup; everything else the writer counts. */
export interface ClosingFacts {
  /** By volume id: why all sectors were taken; absent or null when the used map was trusted or there is none. */
  readonly wholeBecause: Readonly<Record<string, string | null>>;
  readonly leftOut: SetTotals['leftOut'];
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly notices: SetTotals['notices'];
}

/** Writes one set, strictly in order. Any call that throws leaves only `abort` to be called. */
export interface SetWriter {
  /** Bytes given to the medium so far. */
  readonly storedBytes: number;
  /** Begins a volume of the layout; every group of the one before must have been given. */
  beginVolume(map: VolumeMap): Promise<void>;
  /** The next group's plain bytes, in the order of the map. Resolves when there is room for another. */
  group(plain: Uint8Array, options?: GroupOptions): Promise<void>;
  /** Writes everything that follows the data and commits; after this the set is complete. */
  finish(facts: ClosingFacts): Promise<SetTotals>;
  /** Leaves the set incomplete; safe to call after anything. */
  abort(): Promise<void>;
}

/** Begins a set on a medium: label, head and layout are written. */
export async function createSet(medium: Medium, request: SetRequest): Promise<SetWriter> {
  throw new RemetalError('internal', 'Not there yet.');
}
