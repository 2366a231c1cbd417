import type { CartridgeContents, PartOnCartridge } from './contents.ts';
import type { TapeDrive } from './drive.ts';
import type { CartridgeLabel } from './label.ts';

/** A cartridge that is in the drive, ready, and known to be the one that was meant. */
export interface LoadedCartridge {
  readonly label: CartridgeLabel;
  readonly contents: CartridgeContents;
}

/** A part of a set, as far as the cartridge or the inventory tells. */
export type PartKnown = Omit<PartOnCartridge, 'file' | 'firstOrdinal'> & {
  /** Absent where the cartridge itself was not read. */
  readonly firstOrdinal?: number;
};

/** Which part of which set is wanted. */
export interface WantedPart {
  readonly set: string;
  readonly setId: string;
  /** From 1. */
  readonly part: number;
}

/**
 * The cartridges that can get into one drive: by a changer, or by a person who is asked. Errors are those of
 * the drive and the changer, `cartridge-needed` when what is wanted cannot be had.
 */
export interface Cartridges {
  readonly drive: TapeDrive;
  /** What is in the drive now, read once and remembered until it is changed. Throws `drive-empty`. */
  current(): Promise<CartridgeContents>;
  /**
   * A cartridge with room for a part: the one in the drive where it will do, else one from the changer or a
   * person. It is made ready for writing. Blank ones are labelled; foreign, full and write-protected ones are
   * passed over by the changer, with a notice, and refused to a person with the reason. `setId` is the set
   * that is being written, whose own cartridges are none. `recordLimit`, where given, is what the cartridge's label must allow.
   */
  forWriting(request: {
    readonly setId: string;
    readonly part: number;
    readonly recordLimit: number | null;
  }): Promise<LoadedCartridge>;
  /** The cartridge that holds a part, ready for reading. */
  forReading(wanted: WantedPart): Promise<LoadedCartridge>;
  /**
   * The parts on every cartridge that can be had without a person. Of those in a changer that the inventory
   * knows its word is taken; the others are loaded and read.
   */
  parts(): Promise<PartKnown[]>;
  /** What is on every cartridge that can be had without a person, each loaded and read. */
  survey(): Promise<CartridgeContents[]>;
  /** Tells what has become of the cartridge in the drive: it was written on. */
  changed(): void;
  close(): Promise<void>;
}
