import { isCoded, RemetalError } from '../errors/index.ts';
import type { Notice } from '../progress/index.ts';
import type { Changer, ChangerStatus } from './changer.ts';
import type { TapeDrive } from './drive.ts';
import { isCleaning } from './fitness.ts';

/** A cartridge that lies in a slot of the changer. */
export interface ShelvedCartridge {
  readonly slot: number;
  readonly barcode: string | null;
  readonly importExport: boolean;
}

/** What the changer knows of the cartridge in our drive. */
export interface CartridgeInDrive {
  readonly barcode: string | null;
  /** The slot it was taken from; null where that is not known. */
  readonly slot: number | null;
}

export interface SlotsOptions {
  readonly changer: Changer;
  /** The number the changer has for the drive; found out by trying when null. */
  readonly driveNumber: number | null;
  readonly drive: TapeDrive;
  readonly tell: (notice: Notice) => void;
  readonly signal?: AbortSignal | undefined;
  readonly wait: (milliseconds: number) => Promise<void>;
}

type DriveOfChanger = ChangerStatus['drives'][number];

const pollSeconds = 2;
/** A drive may take so long to notice that the changer gave it a cartridge. */
const noticeSeconds = 90;
/** One slot that cannot be used must not hold everything up. */
const mostSlotsTried = 3;
/** A drive that is being cleaned, or calibrates a cartridge, keeps it until it is done. */
const heldSeconds = 600;
const againSeconds = 20;

/** The changer as one drive sees it: its slots, and the way from a slot into the drive and back. */
export class Slots {
  readonly #options: SlotsOptions;
  #number: number | null;
  /** Drives of the changer that turned out to be others. */
  readonly #others = new Set<number>();

  constructor(options: SlotsOptions) {
    this.#options = options;
    this.#number = options.driveNumber;
  }

  get name(): string {
    return this.#options.changer.name;
  }

  /** The cartridges in storage slots, and in import and export slots where asked for; cleaning ones are left out. */
  async cartridges(importExport = false): Promise<ShelvedCartridge[]> {
    const { slots } = await this.#options.changer.status();
    return slots
      .filter((slot) => slot.full && !isCleaning(slot.barcode) && (importExport || !slot.importExport))
      .map((slot) => ({ slot: slot.number, barcode: slot.barcode, importExport: slot.importExport }));
  }

  /** The cartridge in our drive as the changer knows it; null where none is, and where our drive is not known. */
  async inDrive(): Promise<CartridgeInDrive | null> {
    const found = await this.#ours(await this.#options.changer.status());
    return found?.full === true ? { barcode: found.barcode, slot: found.from } : null;
  }

  /** Which of the changer's drives is ours, as far as that shows without moving anything. */
  async #ours({ drives }: ChangerStatus): Promise<DriveOfChanger | null> {
    if (this.#number === null && drives.length === 1) this.#number = drives[0]!.number;
    if (this.#number === null) {
      const full = drives.filter((drive) => drive.full && !this.#others.has(drive.number));
      if (full.length === 1 && (await this.#options.drive.isLoaded())) this.#number = full[0]!.number;
    }
    if (this.#number === null) return null;
    const found = drives.find((drive) => drive.number === this.#number);
    if (found !== undefined) return found;
    throw new RemetalError('changer-failed', `The changer ${this.name} has no drive ${this.#number}.`, {
      hint: '`remetal tape changer` shows the drives it has.',
      facts: { changer: this.name, drive: this.#number, drives: drives.map(({ number }) => number) },
    });
  }

  /** Tells which drive is ours by the barcode that the cartridge in it says of itself. */
  async recognise(barcode: string): Promise<void> {
    if (this.#number !== null) return;
    const { drives } = await this.#options.changer.status();
    const found = drives.filter((drive) => drive.full && drive.barcode === barcode);
    if (found.length === 1) this.#number = found[0]!.number;
  }

  /**
   * Puts the cartridge in our drive back: into the slot it came from, else into any empty storage slot. Gives
   * the number of the slot, null where the drive was empty. Throws `changer-failed`, and what ejecting throws.
   */
  async putBack(to: number | null = null): Promise<number | null> {
    const { drive, changer, tell, signal, wait } = this.#options;
    const ours = await this.#ours(await changer.status());
    if (ours === null && (await drive.isLoaded())) throw this.#whichDrive();
    if (ours?.full !== true) {
      await drive.release();
      return null;
    }
    for (let waited = 0; ; waited += againSeconds) {
      const came = await this.#takeOut(ours, to);
      if (typeof came === 'number') return came;
      if (waited >= heldSeconds) throw came;
      if (waited === 0) {
        const message = `${drive.name} does not let go of its cartridge yet: ${came.message}`;
        tell({ level: 'info', code: 'drive-holds', message, facts: { drive: drive.name } });
      }
      signal?.throwIfAborted();
      await wait(againSeconds * 1000);
    }
  }

  /** Gives the slot the cartridge is in now, or why the drive does not let go of it. */
  async #takeOut(ours: DriveOfChanger, to: number | null): Promise<number | RemetalError> {
    const { drive } = this.#options;
    const refused = await drive.eject().then(
      () => null,
      (error: unknown) => error,
    );
    if (refused !== null && !isCoded(refused, 'drive-empty', 'drive-failed')) throw refused;
    await drive.release();
    try {
      // Some drives have let go already, and refuse to do it again.
      return await this.#unload(ours, to);
    } catch (error) {
      if (isCoded(refused, 'drive-failed') && isCoded(error, 'changer-failed')) return refused;
      throw error;
    }
  }

  async #unload({ number, from, barcode }: DriveOfChanger, to: number | null): Promise<number> {
    const { changer, signal } = this.#options;
    const empty = (await changer.status()).slots.filter((slot) => !slot.full);
    const storage = empty.filter((slot) => !slot.importExport);
    const own = empty.filter((slot) => slot.number === from);
    // An import slot is better than none.
    const choices = [...own.filter((slot) => !slot.importExport), ...storage, ...own].map(
      (one) => one.number,
    );
    let failure: unknown = null;
    for (const slot of to === null ? [...new Set(choices)].slice(0, mostSlotsTried) : [to]) {
      signal?.throwIfAborted();
      try {
        await changer.unload(slot, number);
        this.#tellMove('cartridge-stored', `is back in slot ${slot}`, { slot, barcode, number });
        return slot;
      } catch (error) {
        if (!isCoded(error, 'changer-failed')) throw error;
        failure = error;
      }
    }
    if (failure !== null) throw failure;
    throw new RemetalError(
      'changer-failed',
      `No slot of ${this.name} is free for the cartridge in the drive.`,
      { hint: 'Take a cartridge out.', facts: { changer: this.name, drive: number, barcode } },
    );
  }

  /**
   * Takes a cartridge into our drive, which is empty, and makes it ready. Throws `changer-failed`, what
   * `TapeDrive.ready` throws, and `drive-not-ready` when the drive does not notice the cartridge.
   */
  async load(cartridge: ShelvedCartridge, access: 'read' | 'write'): Promise<void> {
    const { changer, drive, signal } = this.#options;
    signal?.throwIfAborted();
    await this.#ours(await changer.status());
    if (this.#number === null) {
      await this.#loadSomewhere(cartridge, access);
      return;
    }
    const { slot, barcode } = cartridge;
    const number = this.#number;
    await changer.load(slot, number);
    this.#tellMove('cartridge-loaded', `of slot ${slot} is in ${drive.name}`, { slot, barcode, number });
    if (await this.#notices(access)) return;
    throw new RemetalError(
      'drive-not-ready',
      `${drive.name} does not see the cartridge the changer gave it.`,
      {
        hint: 'Look at the drive, and whether it is the one this changer fills.',
        facts: { drive: drive.name, changer: this.name, slot, number },
      },
    );
  }

  /** Tries the changer's drives, one after another, until our drive has the cartridge. */
  async #loadSomewhere({ slot, barcode }: ShelvedCartridge, access: 'read' | 'write'): Promise<void> {
    const { changer, drive, tell } = this.#options;
    const { drives } = await changer.status();
    for (const { number, full } of drives) {
      if (full || this.#others.has(number)) continue;
      await changer.load(slot, number);
      const noticed = await this.#notices(access).catch((error: unknown) => {
        // It has the cartridge, whatever is wrong with it.
        this.#number = number;
        throw error;
      });
      if (noticed) {
        this.#number = number;
        this.#tellMove('cartridge-loaded', `of slot ${slot} is in ${drive.name}`, { slot, barcode, number });
        return;
      }
      this.#others.add(number);
      const message = `Drive ${number} of ${this.name} is another drive; the cartridge of slot ${slot} goes back`;
      const facts = { changer: this.name, drive: number, slot };
      tell({ level: 'info', code: 'changer-drive', message, facts });
      await changer.unload(slot, number);
    }
    throw this.#whichDrive();
  }

  #whichDrive(): RemetalError {
    const { drive } = this.#options;
    return new RemetalError(
      'changer-failed',
      `Which drive of the changer ${this.name} is ${drive.name} does not show.`,
      {
        hint: 'Take the cartridges out of its other drives, or name another changer.',
        facts: { changer: this.name, drive: drive.name },
      },
    );
  }

  /** Makes a cartridge that was loaded ready; false when the drive still has none after a while. */
  async #notices(access: 'read' | 'write'): Promise<boolean> {
    const { drive, wait } = this.#options;
    for (let waited = 0; ; waited += pollSeconds) {
      try {
        await drive.ready(access);
        return true;
      } catch (error) {
        if (!isCoded(error, 'drive-empty')) throw error;
      }
      if (waited >= noticeSeconds) return false;
      await wait(pollSeconds * 1000);
    }
  }

  #tellMove(
    code: 'cartridge-loaded' | 'cartridge-stored',
    where: string,
    { slot, barcode, number }: { slot: number; barcode: string | null; number: number },
  ): void {
    const { drive, tell } = this.#options;
    const message = `${barcode === null ? 'The cartridge' : `Cartridge ${barcode}`} ${where}`;
    tell({ level: 'info', code, message, facts: { barcode, slot, drive: drive.name, number } });
  }
}
