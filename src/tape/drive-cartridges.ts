import { setTimeout as sleep } from 'node:timers/promises';
import { isCoded, RemetalError } from '../errors/index.ts';
import type { Notice } from '../progress/index.ts';
import { Asking, type CartridgeWish } from './asking.ts';
import type { Cartridges, LoadedCartridge, PartKnown, WantedPart } from './cartridges.ts';
import type { Changer } from './changer.ts';
import { readContents, type CartridgeContents } from './contents.ts';
import type { TapeDrive } from './drive.ts';
import { holds, notTheOne, whyUnfit, type WritingRequest } from './fitness.ts';
import { InDrive, isSameCartridge, keyOf } from './in-drive.ts';
import { freeName, knownInSlot, knownToHold, type Inventory } from './inventory.ts';
import { labelCartridge } from './labelling.ts';
import type { TapeOperator } from './operator.ts';
import { ranked, rankForReading, rankForWriting, type Rank } from './ranking.ts';
import { Slots, type ShelvedCartridge } from './slots.ts';

export interface CartridgesRequest {
  readonly drive: TapeDrive;
  /** The changer that fills the drive, and its number for it, found out by trying where null; null without one. */
  readonly changer: { readonly changer: Changer; readonly driveNumber: number | null } | null;
  /** Who is asked for cartridges that the changer has not got; nobody when null. */
  readonly operator: TapeOperator | null;
  readonly inventory: Inventory;
  readonly tell: (notice: Notice) => void;
  readonly signal?: AbortSignal | undefined;
  /** Writes a label on a blank cartridge, which is ready for writing; `labelCartridge` when absent. */
  readonly labelBlank?: (
    drive: TapeDrive,
    names: { readonly name: string; readonly barcode: string | null },
  ) => Promise<unknown>;
  /** For tests. */
  readonly readContents?: (drive: TapeDrive) => Promise<CartridgeContents>;
  readonly isSame?: (drive: TapeDrive, contents: CartridgeContents) => Promise<boolean>;
  readonly wait?: (milliseconds: number) => Promise<void>;
  readonly now?: () => Date;
}

const labelled: NonNullable<CartridgesRequest['labelBlank']> = (drive, names) =>
  labelCartridge(drive, { ...names, force: false, now: new Date() });

/** These may be gone at the next try. */
const passing = ['changer-failed', 'drive-failed', 'drive-not-ready', 'position-lost'] as const;
/** What is wrong with one cartridge, or with getting at it: another one may do. */
const ofOneCartridge = [
  ...passing,
  'block-unreadable',
  'cartridge-full',
  'cartridge-protected',
  'cartridge-unlabelled',
  'cartridge-wrong',
  'foreign-cartridge',
  'set-too-new',
] as const;

/** What came of a cartridge: what was wanted of it, or why it is not the one. */
type Tried<T> = { readonly found: T } | { readonly refused: RemetalError };

/** Gets cartridges into a drive; see `Cartridges`. Nothing is moved before one is wanted. */
export function openCartridges(request: CartridgesRequest): Cartridges {
  return new DriveCartridges(request);
}

class DriveCartridges implements Cartridges {
  readonly drive: TapeDrive;
  readonly #request: CartridgesRequest;
  readonly #slots: Slots | null;
  readonly #inDrive: InDrive;
  /** What is wrong with cartridges of the changer that no contents tell, by `keyOf`. */
  readonly #unusable = new Map<string, RemetalError>();

  constructor(request: CartridgesRequest) {
    const { drive, changer, tell, signal, now = () => new Date(), inventory } = request;
    const options = signal === undefined ? {} : { signal };
    const wait = request.wait ?? ((milliseconds) => sleep(milliseconds, undefined, options));
    this.drive = drive;
    this.#request = request;
    this.#slots = changer === null ? null : new Slots({ ...changer, drive, tell, signal, wait });
    this.#inDrive = new InDrive({
      drive,
      slots: this.#slots,
      inventory,
      tell,
      readContents: request.readContents ?? readContents,
      isSame: request.isSame ?? isSameCartridge,
      now,
    });
  }

  async current(): Promise<CartridgeContents> {
    return await this.#inDrive.contents('read');
  }

  changed(): void {
    this.#inDrive.markChanged();
  }

  async forWriting(request: WritingRequest): Promise<LoadedCartridge> {
    // That the one which was just written is none is no news.
    const written = this.#inDrive.changed;
    const judge = (): Promise<Tried<LoadedCartridge>> => this.#judge(request);
    const present = await this.#present(judge);
    if (present !== null && 'found' in present) return present.found;
    let refused = present === null || written ? null : present.refused;
    if (refused !== null) this.#passOver(refused, await this.#inDrive.asShelved());
    const search = (importExport: boolean): Promise<Tried<LoadedCartridge> | null> =>
      this.#search(importExport, rankForWriting(request), (slots, cartridge) =>
        this.#tryShelved(slots, cartridge, 'write', judge),
      );
    const shelved = await search(false);
    if (shelved !== null && 'found' in shelved) return shelved.found;
    refused = shelved?.refused ?? refused;
    const wish = { purpose: 'write', wanted: 'an empty cartridge', label: null, barcode: null } as const;
    return await this.#ask(wish, refused, judge, search);
  }

  /** Whether the cartridge in the drive takes a part; a blank one is labelled. */
  async #judge(request: WritingRequest): Promise<Tried<LoadedCartridge>> {
    const { labelBlank = labelled, inventory, tell } = this.#request;
    let contents = await this.#inDrive.contents('write');
    const memory = contents.parts.length === 0 ? null : await this.drive.memory();
    let refused = whyUnfit(contents, request, memory?.kind === 'write-once');
    if (refused !== null) return { refused };
    if (contents.blank) {
      const barcode = (await this.#inDrive.whereFrom())?.barcode ?? null;
      const name = barcode ?? freeName(await inventory.cartridges());
      await labelBlank(this.drive, { name, barcode });
      const message = `The blank cartridge in ${this.drive.name} is labelled ${name}`;
      tell({ level: 'info', code: 'cartridge-labelled', message, facts: { cartridge: name, barcode } });
      this.#inDrive.markChanged();
      contents = await this.#inDrive.contents('write');
      refused = whyUnfit(contents, request, false);
    }
    const { label } = contents;
    if (label !== null) {
      if (refused !== null) return { refused };
      await this.#inDrive.giveOut(contents);
      return { found: { label, contents } };
    }
    throw new RemetalError('drive-failed', `The label written in ${this.drive.name} is not there.`, {
      hint: 'Use another cartridge, and look at the drive.',
      facts: { drive: this.drive.name },
    });
  }

  async forReading(wanted: WantedPart): Promise<LoadedCartridge> {
    const look = (): Promise<Tried<LoadedCartridge>> => this.#look(wanted);
    const present = await this.#present(look);
    if (present !== null && 'found' in present) return present.found;
    let refused: RemetalError | null = null;
    if (present !== null && present.refused.code !== 'cartridge-wrong') {
      ({ refused } = present);
      this.#passOver(refused, await this.#inDrive.asShelved());
    }
    const search = (importExport: boolean): Promise<Tried<LoadedCartridge> | null> =>
      this.#search(importExport, rankForReading(wanted), (slots, cartridge) =>
        this.#tryShelved(slots, cartridge, 'read', look),
      );
    const shelved = await search(false);
    if (shelved !== null && 'found' in shelved) return shelved.found;
    if (shelved !== null && isCoded(shelved.refused, ...passing)) ({ refused } = shelved);
    const [known] = knownToHold(await this.#request.inventory.cartridges(), wanted);
    const wish = {
      purpose: 'read',
      wanted: `part ${wanted.part} of ${wanted.set}`,
      label: known?.name ?? null,
      barcode: known?.barcode ?? null,
    } as const;
    return await this.#ask(wish, refused, look, search);
  }

  /** Whether the cartridge in the drive holds a part. */
  async #look(wanted: WantedPart): Promise<Tried<LoadedCartridge>> {
    const contents = await this.#inDrive.contents('read');
    const { label, parts } = contents;
    if (label !== null && holds(parts, wanted)) return { found: { label, contents } };
    return { refused: notTheOne(contents, wanted) };
  }

  /** What the cartridge in the drive comes to; null where the drive is empty. */
  async #present<T>(work: () => Promise<Tried<T>>): Promise<Tried<T> | null> {
    this.#request.signal?.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      if (isCoded(error, 'drive-empty')) return null;
      if (isCoded(error, ...ofOneCartridge)) return { refused: error };
      throw error;
    }
  }

  /** Tries the changer's cartridges by rank, then once more those that failed in a way that may pass. */
  async #search<T>(
    importExport: boolean,
    rank: Rank,
    attempt: (slots: Slots, cartridge: ShelvedCartridge) => Promise<Tried<T>>,
  ): Promise<Tried<T> | null> {
    const slots = this.#slots;
    if (slots === null) return null;
    const candidates = ranked(await slots.cartridges(importExport), rank, {
      changer: slots.name,
      inventory: await this.#request.inventory.cartridges(),
      foreign: await this.#request.inventory.foreign(),
      seen: (cartridge) => this.#inDrive.seen(cartridge),
      isUnusable: (cartridge) => this.#unusable.has(keyOf(cartridge)),
    });
    let last: Tried<T> | null = null;
    const again: ShelvedCartridge[] = [];
    for (const cartridge of candidates) {
      last = await attempt(slots, cartridge);
      if ('found' in last) return last;
      if (isCoded(last.refused, ...passing)) again.push(cartridge);
    }
    for (const cartridge of again) {
      last = await attempt(slots, cartridge);
      if ('found' in last) return last;
    }
    return last;
  }

  /** Loads a cartridge and does `work` with it; what is wrong with this one is told, and given back. */
  async #tryShelved<T>(
    slots: Slots,
    cartridge: ShelvedCartridge,
    access: 'read' | 'write',
    work: () => Promise<Tried<T>>,
  ): Promise<Tried<T>> {
    await this.#inDrive.letGo();
    const tried = await this.#present(async () => {
      await this.#inDrive.load(slots, cartridge, access);
      return await work();
    });
    const gone = new RemetalError('drive-not-ready', `The cartridge in ${this.drive.name} is gone.`);
    const result = tried ?? { refused: gone };
    // That a cartridge which was only searched holds something else is no news.
    const searched = access === 'read' && this.#inDrive.seen(cartridge) !== undefined;
    if ('refused' in result && !searched) this.#passOver(result.refused, cartridge);
    return result;
  }

  #passOver(why: RemetalError, cartridge: ShelvedCartridge | null): void {
    const barcode = cartridge?.barcode ?? null;
    let what = `The cartridge in ${this.drive.name}`;
    if (cartridge !== null) {
      if (!isCoded(why, ...passing)) this.#unusable.set(keyOf(cartridge), why);
      what = barcode === null ? `The cartridge of slot ${cartridge.slot}` : `Cartridge ${barcode}`;
    }
    this.#request.tell({
      level: 'warning',
      code: why.code,
      message: `${what} is passed over: ${why.message}`,
      facts: { ...why.facts, barcode, slot: cartridge?.slot ?? null },
    });
  }

  /** Asks for a cartridge until what was done about it helps. */
  async #ask<T>(
    wish: CartridgeWish,
    why: RemetalError | null,
    present: () => Promise<Tried<T>>,
    search: (importExport: boolean) => Promise<Tried<T> | null>,
  ): Promise<T> {
    const { operator } = this.#request;
    const asking = new Asking({ drive: this.drive, slots: this.#slots, operator, wish });
    for (let refused = why; ;) {
      await this.#inDrive.letGo();
      await asking.change(refused);
      // The tab of a cartridge may have been moved, or another one put in its slot.
      this.#inDrive.forgetSlots();
      this.#unusable.clear();
      const put = await this.#present(present);
      if (put !== null && 'found' in put) return put.found;
      const searched = await search(true);
      if (searched !== null && 'found' in searched) return searched.found;
      refused = searched?.refused ?? put?.refused ?? asking.nothingNew();
    }
  }

  async parts(): Promise<PartKnown[]> {
    const known = await this.#request.inventory.cartridges();
    const all = await this.#all<{ readonly parts: readonly PartKnown[] }>((slots, cartridge) =>
      knownInSlot(known, slots.name, cartridge),
    );
    return all.flatMap(({ parts }) => parts);
  }

  async survey(): Promise<CartridgeContents[]> {
    return await this.#all<CartridgeContents>(() => null);
  }

  /** What there is to know of every cartridge; one is loaded where `known` says nothing of it. */
  async #all<Told extends object>(
    known: (slots: Slots, cartridge: ShelvedCartridge) => Told | null,
  ): Promise<(CartridgeContents | Told)[]> {
    const all: (CartridgeContents | Told)[] = [];
    const look = async (): Promise<Tried<CartridgeContents>> => ({
      found: await this.#inDrive.contents('read'),
    });
    const present = await this.#present(look);
    if (present !== null && 'found' in present) all.push(present.found);
    if (present !== null && 'refused' in present) {
      this.#passOver(present.refused, await this.#inDrive.asShelved());
    }
    await this.#search(
      false,
      () => 0,
      async (slots, cartridge) => {
        const told = this.#inDrive.seen(cartridge) ?? known(slots, cartridge);
        const tried =
          told === null ? await this.#tryShelved(slots, cartridge, 'read', look) : { found: told };
        if ('refused' in tried) return tried;
        all.push(tried.found);
        // There is always another one to look at.
        return { refused: new RemetalError('cartridge-wrong', 'The survey goes on.') };
      },
    );
    return all;
  }

  async close(): Promise<void> {
    const { drive } = this;
    const { signal, tell } = this.#request;
    if (this.#inDrive.changed && drive.position !== null && signal?.aborted !== true) {
      await this.#inDrive.contents('read').catch((error: unknown) => {
        const said = error instanceof Error ? error.message : String(error);
        tell({
          level: 'warning',
          code: 'inventory-incomplete',
          message: `What was written in ${drive.name} is not in the inventory: ${said}`,
          facts: { drive: drive.name },
        });
      });
    }
    await drive.release();
  }
}
