import { isCoded } from '../errors/index.ts';
import type { Notice } from '../progress/index.ts';
import type { CartridgeContents } from './contents.ts';
import type { TapeDrive } from './drive.ts';
import { knownFrom, type Inventory } from './inventory.ts';
import { decodeLabel } from './label.ts';
import type { CartridgeInDrive, ShelvedCartridge, Slots } from './slots.ts';

export interface InDriveOptions {
  readonly drive: TapeDrive;
  readonly slots: Slots | null;
  readonly inventory: Inventory;
  readonly tell: (notice: Notice) => void;
  readonly readContents: (drive: TapeDrive) => Promise<CartridgeContents>;
  /** Whether the cartridge in the drive has the label that stood on one with such contents. */
  readonly isSame: (drive: TapeDrive, contents: CartridgeContents) => Promise<boolean>;
  readonly now: () => Date;
}

/** The cartridge in the drive, and what those before it in this run turned out to hold. */
export class InDrive {
  readonly #options: InDriveOptions;
  /** Valid as long as the drive is not let go of. */
  #current: { readonly contents: CartridgeContents; readonly access: 'read' | 'write' } | null = null;
  #changed = false;
  /** Where the cartridge belongs; undefined until it was asked for. */
  #place: CartridgeInDrive | null | undefined;
  readonly #seen = new Map<string, CartridgeContents>();

  constructor(options: InDriveOptions) {
    this.#options = options;
  }

  /** True once the cartridge was written on since it was read. */
  get changed(): boolean {
    return this.#changed;
  }

  markChanged(): void {
    this.#changed = true;
    if (this.#place !== undefined && this.#place !== null) this.#seen.delete(keyOf(this.#place));
  }

  /** What the cartridge holds, which is made ready. Throws what `TapeDrive.ready` and `readContents` throw. */
  async contents(access: 'read' | 'write'): Promise<CartridgeContents> {
    const { drive, readContents } = this.#options;
    const known = this.#current;
    // Once the drive was let go of, its cartridge may be another one.
    if (known !== null && !this.#changed && drive.position !== null) {
      if (known.access === 'write' || access === 'read') return known.contents;
    }
    this.#current = null;
    if (drive.position === null) this.#place = undefined;
    await drive.ready(access);
    await this.tellAlerts();
    const again = access === 'read' ? await this.#again() : null;
    const contents = again ?? (await readContents(drive));
    this.#current = { contents, access };
    this.#changed = false;
    await this.#note(contents);
    return contents;
  }

  /** What was read from the cartridge before in this run, if it is that one still. */
  async #again(): Promise<CartridgeContents | null> {
    const { drive, isSame } = this.#options;
    const place = await this.whereFrom();
    const before = place === null ? undefined : this.#seen.get(keyOf(place));
    if (before === undefined || before.label === null) return null;
    return (await isSame(drive, before)) ? before : null;
  }

  async #note(contents: CartridgeContents): Promise<void> {
    const { slots } = this.#options;
    const said = contents.label?.barcode ?? null;
    if (said !== null) await slots?.recognise(said);
    const place = await this.whereFrom();
    if (place !== null) this.#seen.set(keyOf(place), contents);
    await this.#tellInventory(contents, {});
  }

  async #tellInventory(contents: CartridgeContents, more: { readonly givenOut?: true }): Promise<void> {
    const { slots, inventory, now } = this.#options;
    const place = await this.whereFrom();
    const where = {
      barcode: place?.barcode ?? null,
      place: slots === null ? null : { changer: slots.name, slot: place?.slot ?? null },
    };
    const known = knownFrom(contents, where, now());
    if (known === null) await inventory.notOurs({ ...where, foreign: !contents.blank });
    else await inventory.seen({ ...known, ...more });
  }

  /** Tells the inventory that the cartridge will be written on: should that be broken off, it must be read again. */
  async giveOut(contents: CartridgeContents): Promise<void> {
    await this.#tellInventory(contents, { givenOut: true });
  }

  /** Where the cartridge belongs in the changer; null where there is none or it does not know. */
  async whereFrom(): Promise<CartridgeInDrive | null> {
    if (this.#place === undefined) this.#place = (await this.#options.slots?.inDrive()) ?? null;
    return this.#place;
  }

  /** The cartridge by the slot it belongs in; null where that is not known. */
  async asShelved(): Promise<ShelvedCartridge | null> {
    const place = await this.whereFrom();
    if (place === null || place.slot === null) return null;
    return { slot: place.slot, barcode: place.barcode, importExport: false };
  }

  /** What a cartridge of the changer held when it was read in this run. */
  seen(cartridge: ShelvedCartridge): CartridgeContents | undefined {
    return this.#seen.get(keyOf(cartridge));
  }

  /** Takes a cartridge of the changer into the drive, whose own goes back before. Throws as `Slots` does. */
  async load(slots: Slots, cartridge: ShelvedCartridge, access: 'read' | 'write'): Promise<void> {
    await slots.load(cartridge, access);
    this.#place = cartridge;
  }

  /** Puts the cartridge back into the changer, or lets a person have it. Throws as `Slots.putBack` and `eject` do. */
  async letGo(): Promise<void> {
    const { drive, slots, tell } = this.#options;
    const place = this.#place;
    if (this.#current !== null) await this.tellAlerts();
    this.#current = null;
    this.#changed = false;
    this.#place = undefined;
    if (slots === null) {
      await drive.eject().catch((error: unknown) => {
        if (isCoded(error, 'drive-empty')) return;
        if (!isCoded(error, 'drive-failed')) throw error;
        // The person may still get it out.
        const message = `${drive.name} does not eject its cartridge: ${error.message}`;
        tell({ level: 'warning', code: error.code, message, facts: { drive: drive.name } });
      });
      await drive.release();
      return;
    }
    const slot = await slots.putBack();
    if (slot === null || place === null || place === undefined || place.barcode !== null) return;
    const contents = this.#seen.get(keyOf(place));
    this.#seen.delete(keyOf(place));
    if (contents !== undefined) this.#seen.set(slotKey(slot), contents);
  }

  /** A person may have put another cartridge in a slot. */
  forgetSlots(): void {
    this.#place = undefined;
    for (const key of this.#seen.keys()) if (key.startsWith(slotPrefix)) this.#seen.delete(key);
  }

  /** Tells what the drive itself has to say; it must not be asked while data flows. */
  async tellAlerts(): Promise<void> {
    const { drive, tell } = this.#options;
    for (const { flag, severity, words } of await drive.alerts().catch(() => [])) {
      tell({
        level: severity === 'info' ? 'info' : 'warning',
        code: 'tape-alert',
        message: `${drive.name}: ${words}`,
        facts: { drive: drive.name, flag, severity },
      });
    }
  }
}

/** Whether the cartridge in the drive, which is ready, has the label that stood on one with such contents. */
export async function isSameCartridge(
  drive: TapeDrive,
  { label, labelFile }: CartridgeContents,
): Promise<boolean> {
  if (!(await drive.toFile(labelFile))) return false;
  const block = await drive.read();
  return Buffer.isBuffer(block) && label !== null && decodeLabel(block)?.cartridge === label.cartridge;
}

/* A barcode has no blank in it. */
const slotPrefix = 'slot ';
const slotKey = (slot: number | null): string => `${slotPrefix}${slot ?? 'unknown'}`;

/** What a cartridge is known by within a run. */
export function keyOf(cartridge: CartridgeInDrive): string {
  return cartridge.barcode ?? slotKey(cartridge.slot);
}
