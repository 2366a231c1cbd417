import type { CartridgeLabel } from './label.ts';

/** One part of a backup set on a cartridge: a file of the tape, whose blocks are the records of the part. */
export interface PartOnCartridge {
  /** Number of the file on the tape, from 0. */
  readonly file: number;
  /** Name of the set on the medium: the folder of its tar names. */
  readonly set: string;
  readonly setId: string;
  /** From 1. */
  readonly part: number;
  /** Ordinal of the first numbered record in the part. */
  readonly firstOrdinal: number;
  /** What the machine is called, and when the set was made, from the head in the part's label. */
  readonly machine: string;
  readonly createdAt: string;
  /** How it ends: the set with it, the part only (another follows), or with neither (interrupted). */
  readonly ends: 'set' | 'part' | 'open';
}

/** What is on a cartridge, as far as its beginning and the ends of its files tell. */
export interface CartridgeContents {
  /** Null where it has no label of ours. */
  readonly label: CartridgeLabel | null;
  /** True for a cartridge nothing was ever written on. */
  readonly blank: boolean;
  /** What another program wrote, in words (`a tar archive`, `an LTFS volume`, `a Bacula volume`); null where there is none. */
  readonly foreign: string | null;
  /** File number of the label; 1 behind an appliance. */
  readonly labelFile: number;
  readonly parts: readonly PartOnCartridge[];
  /** Number of the file at which the next part goes: behind the last one that is whole. */
  readonly appendAt: number;
  /** True when the last part says that the set goes on elsewhere: the cartridge has no room. */
  readonly full: boolean;
}
