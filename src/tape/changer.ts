/** A place in a changer that may hold a cartridge. */
export interface ChangerSlot {
  /** As mtx(1) counts: storage slots from 1, import and export slots after them; drives from 0. */
  readonly number: number;
  readonly full: boolean;
  /** Null where the changer cannot read one. */
  readonly barcode: string | null;
}

export interface ChangerStatus {
  readonly drives: readonly (ChangerSlot & {
    /** The slot its cartridge was taken from; null where the changer does not remember. */
    readonly from: number | null;
  })[];
  readonly slots: readonly (ChangerSlot & { readonly importExport: boolean })[];
}

/**
 * A library: moves cartridges between slots and drives. Errors are `changer-failed`, with what the changer
 * said, and `changer-not-found`.
 */
export interface Changer {
  /** For messages. */
  readonly name: string;
  status(): Promise<ChangerStatus>;
  /** Takes the cartridge of a slot into a drive, which is empty. */
  load(slot: number, drive: number): Promise<void>;
  /** Takes the cartridge of a drive into an empty slot. The drive has let go of it. */
  unload(slot: number, drive: number): Promise<void>;
  /** Takes a cartridge from one slot to another. */
  transfer(from: number, to: number): Promise<void>;
}
