import type { WantedPart } from './cartridges.ts';
import type { CartridgeContents } from './contents.ts';
import { holds, whyUnfit, type WritingRequest } from './fitness.ts';
import { knownInSlot, type KnownCartridge } from './inventory.ts';
import type { ShelvedCartridge } from './slots.ts';

/** What there is to know of a cartridge before it is loaded. */
export interface Prospect {
  /** What it held when it was read in this run. */
  readonly seen: CartridgeContents | undefined;
  /** What the inventory has of it. */
  readonly known: KnownCartridge | null;
  /** True for one that another program had written when it was seen last. */
  readonly foreign: boolean;
  /** True for one that this run found of no use for writing. */
  readonly unusable: boolean;
}

/** When a cartridge is tried, lowest first; null for never. */
export type Rank = (prospect: Prospect) => number | null;

/** For reading: those known to hold the part, then unknown ones, then all others that were not read in this run. */
export function rankForReading(wanted: WantedPart): Rank {
  return ({ seen, known, foreign }) => {
    if (seen !== undefined) return holds(seen.parts, wanted) ? 0 : null;
    if (known === null) return foreign ? 3 : 1;
    return holds(known.parts, wanted) ? 0 : 2;
  };
}

/** For writing: those known to have room, then unknown ones, then those that another program had written. */
export function rankForWriting(request: WritingRequest): Rank {
  return ({ seen, known, foreign, unusable }) => {
    if (unusable) return null;
    if (seen !== undefined) return whyUnfit(seen, request, false) === null ? 0 : null;
    if (known === null) return foreign ? 2 : 1;
    return hasRoom(known, request) ? 0 : null;
  };
}

function hasRoom({ full, parts, recordLimit }: KnownCartridge, request: WritingRequest): boolean {
  if (full || parts.some(({ setId }) => setId === request.setId)) return false;
  return request.recordLimit === null || recordLimit >= request.recordLimit;
}

/** The cartridges of a changer by rank, then by barcode, those without one by slot; those of no rank left out. */
export function ranked(
  cartridges: readonly ShelvedCartridge[],
  rank: Rank,
  of: {
    readonly changer: string;
    readonly inventory: readonly KnownCartridge[];
    /** Barcodes. */
    readonly foreign: readonly string[];
    readonly seen: (cartridge: ShelvedCartridge) => CartridgeContents | undefined;
    readonly isUnusable: (cartridge: ShelvedCartridge) => boolean;
  },
): ShelvedCartridge[] {
  return cartridges
    .flatMap((cartridge) => {
      const known = knownInSlot(of.inventory, of.changer, cartridge);
      const when = rank({
        seen: of.seen(cartridge),
        known,
        foreign: cartridge.barcode !== null && of.foreign.includes(cartridge.barcode),
        unusable: of.isUnusable(cartridge),
      });
      return when === null ? [] : [{ cartridge, when }];
    })
    .toSorted((a, b) => a.when - b.when || byBarcode(a.cartridge, b.cartridge))
    .map(({ cartridge }) => cartridge);
}

function byBarcode(a: ShelvedCartridge, b: ShelvedCartridge): number {
  if (a.barcode === null || b.barcode === null) {
    return Number(a.barcode === null) - Number(b.barcode === null) || a.slot - b.slot;
  }
  return a.barcode < b.barcode ? -1 : Number(a.barcode > b.barcode);
}
