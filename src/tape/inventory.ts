import { z } from 'zod';
import type { WantedPart } from './cartridges.ts';
import type { CartridgeContents } from './contents.ts';
import { holds } from './fitness.ts';

const partSchema = z.object({
  set: z.string(),
  setId: z.string(),
  part: z.int().min(1),
  ends: z.enum(['set', 'part', 'open']),
  machine: z.string(),
  createdAt: z.string(),
  chain: z.array(z.object({ setId: z.string(), name: z.string() })).optional(),
});

const placeSchema = z.object({ changer: z.string(), slot: z.int().nullable() });

const knownCartridgeSchema = z.object({
  /** UUID of its label. */
  cartridge: z.string(),
  name: z.string(),
  barcode: z.string().nullable(),
  /** Bytes. */
  recordLimit: z.int().min(1),
  parts: z.array(partSchema),
  full: z.boolean(),
  /** ISO 8601, UTC. */
  lastSeenAt: z.string(),
  /** The changer and the slot it belongs in; null for one that a person put in. */
  place: placeSchema.nullable(),
  /** It was given out to be written on and not read since: what it holds is not known. */
  givenOut: z.boolean().optional(),
});

/** The document the inventory is kept as. */
export const inventorySchema = z.object({
  format: z.literal(1),
  cartridges: z.array(knownCartridgeSchema),
  /** Barcodes of cartridges that other programs have written. */
  foreign: z.array(z.string()).default([]),
});

/** What was last seen of a cartridge. What it says itself counts more. */
export type KnownCartridge = z.infer<typeof knownCartridgeSchema>;
export type InventoryDocument = z.infer<typeof inventorySchema>;

/** Where a cartridge was seen: the slot it came from, null where that is not known. */
export interface PlaceSeen {
  readonly changer: string;
  readonly slot: number | null;
}

/** The cartridges known to this machine, kept between runs. Never throws: an inventory that fails is told of. */
export interface Inventory {
  cartridges(): Promise<readonly KnownCartridge[]>;
  /** Takes in what was seen; what was known of the same cartridge is forgotten. */
  seen(cartridge: KnownCartridge): Promise<void>;
  /** Barcodes of cartridges that other programs have written. */
  foreign(): Promise<readonly string[]>;
  /** Takes in that a cartridge has no label of ours, whatever was known of one with its barcode or in its slot. */
  notOurs(cartridge: CartridgeNotOurs): Promise<void>;
}

/** What is known of a cartridge without reading it. */
export interface CartridgeSeen {
  readonly barcode: string | null;
  readonly place: PlaceSeen | null;
}

export interface CartridgeNotOurs extends CartridgeSeen {
  /** True for one that another program has written, false for a blank one. */
  readonly foreign: boolean;
}

export const emptyInventory: InventoryDocument = { format: 1, cartridges: [], foreign: [] };

/** An inventory for one run. */
export function passingInventory(known: readonly KnownCartridge[] = []): Inventory {
  let document: InventoryDocument = { ...emptyInventory, cartridges: [...known] };
  return {
    cartridges: async () => document.cartridges,
    async seen(cartridge) {
      document = withCartridge(document, cartridge);
    },
    foreign: async () => document.foreign,
    async notOurs(cartridge) {
      document = withoutCartridge(document, cartridge);
    },
  };
}

/** What is known of a cartridge once it was read; null for one without a label of ours. */
export function knownFrom(
  contents: CartridgeContents,
  { barcode, place }: CartridgeSeen,
  at: Date,
): KnownCartridge | null {
  const { label, parts, full } = contents;
  if (label === null) return null;
  return {
    cartridge: label.cartridge,
    name: label.name,
    barcode: barcode ?? label.barcode,
    recordLimit: label.recordLimit,
    parts: parts.map(({ set, setId, part, ends, machine, createdAt, chain }) => ({
      set,
      setId,
      part,
      ends,
      machine,
      createdAt,
      ...(chain === undefined ? {} : { chain: [...chain] }),
    })),
    full,
    lastSeenAt: at.toISOString(),
    place,
  };
}

/**
 * A document that knows a cartridge as it was seen now. A cartridge that was labelled anew has another UUID:
 * the one with its barcode before is gone, and so is one that was said to be in its slot.
 */
export function withCartridge(document: InventoryDocument, seen: KnownCartridge): InventoryDocument {
  const others = document.cartridges
    .filter(
      ({ cartridge, barcode }) =>
        cartridge !== seen.cartridge && (barcode === null || barcode !== seen.barcode),
    )
    .map((other) => (isSamePlace(other.place, seen.place) ? { ...other, place: null } : other));
  return {
    ...document,
    cartridges: [...others, seen].toSorted((a, b) => a.name.localeCompare(b.name)),
    foreign: document.foreign.filter((barcode) => barcode !== seen.barcode),
  };
}

/** A document that knows nothing of the cartridge with a barcode, or where it has none, of that in a slot. */
export function withoutCartridge(
  document: InventoryDocument,
  { barcode, place, foreign }: CartridgeNotOurs,
): InventoryDocument {
  const cartridges = document.cartridges.filter((known) =>
    barcode === null ? !isSamePlace(known.place, place) : known.barcode !== barcode,
  );
  const others = document.foreign.filter((known) => known !== barcode);
  return {
    ...document,
    cartridges,
    foreign: foreign && barcode !== null ? [...others, barcode].toSorted() : others,
  };
}

function isSamePlace(a: PlaceSeen | null, b: PlaceSeen | null): boolean {
  return a !== null && b !== null && a.slot !== null && a.changer === b.changer && a.slot === b.slot;
}

/**
 * What is known of the cartridge of a slot, by its barcode, or where there is none by where it was seen last.
 * Null also for one that was given out to be written on.
 */
export function knownInSlot(
  known: readonly KnownCartridge[],
  changer: string,
  { slot, barcode }: { readonly slot: number; readonly barcode: string | null },
): KnownCartridge | null {
  const found =
    barcode === null
      ? known.find(({ place }) => isSamePlace(place, { changer, slot }))
      : known.find((one) => one.barcode === barcode);
  return found === undefined || found.givenOut === true ? null : found;
}

/** The cartridges said to hold a part. */
export function knownToHold(known: readonly KnownCartridge[], wanted: WantedPart): KnownCartridge[] {
  return known.filter(({ parts }) => holds(parts, wanted));
}

/** A name for a cartridge without a barcode that no other one has: `REMETAL-0001`. */
export function freeName(known: readonly KnownCartridge[]): string {
  const highest = Math.max(0, ...known.map(({ name }) => Number(/^REMETAL-(\d{4,9})$/.exec(name)?.[1] ?? 0)));
  return `REMETAL-${String(highest + 1).padStart(4, '0')}`;
}
