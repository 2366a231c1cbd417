import { RemetalError } from '../errors/index.ts';
import type { Changer, ChangerSlot, ChangerStatus } from './changer.ts';
import type { TapeDrive } from './drive.ts';

/** A cartridge in the storage of a changer. */
export interface StoredCartridge {
  readonly slot: number;
  readonly barcode: string | null;
}

/** Barcodes of cleaning cartridges begin so. */
const cleaningPattern = /^CLN/i;

/** Moves cartridges between a changer's slots and one drive of it. */
export class Loader {
  readonly #changer: Changer;
  readonly #drive: TapeDrive;
  /** The drive's number in the changer; null until it is found out. */
  #number: number | null;

  constructor(changer: Changer, drive: TapeDrive, number: number | null) {
    this.#changer = changer;
    this.#drive = drive;
    this.#number = number;
  }

  get name(): string {
    return this.#changer.name;
  }

  /** The data cartridges in its slots, those for import and export left out. Throws `changer-failed`. */
  async stored(): Promise<StoredCartridge[]> {
    const { slots } = await this.#changer.status();
    return slots
      .filter(
        ({ full, importExport, barcode }) => full && !importExport && !cleaningPattern.test(barcode ?? ''),
      )
      .map(({ number, barcode }) => ({ slot: number, barcode }));
  }

  /** The barcode of the cartridge in the drive; null where there is none or none is known. */
  async loadedBarcode(): Promise<string | null> {
    const status = await this.#changer.status();
    return this.#driveIn(status)?.barcode ?? null;
  }

  #driveIn(status: ChangerStatus): ChangerStatus['drives'][number] | undefined {
    if (status.drives.length === 1) return status.drives[0];
    return status.drives.find(({ number }) => number === this.#number);
  }

  /** Takes the cartridge out of the drive, if there is one, into the slot it came from or any that is free. */
  async putAway(): Promise<void> {
    const loaded = this.#driveIn(await this.#changer.status());
    if (loaded?.full !== true) {
      await this.#drive.release();
      return;
    }
    await this.#drive.eject();
    await this.#unload(loaded.number);
  }

  async #unload(number: number): Promise<void> {
    const { drives, slots } = await this.#changer.status();
    const from = drives.find((drive) => drive.number === number)?.from ?? null;
    const isFree = ({ full }: ChangerSlot): boolean => !full;
    const home = slots.find((slot) => slot.number === from && isFree(slot));
    const free = home ?? slots.find((slot) => !slot.importExport && isFree(slot));
    if (free === undefined) {
      throw new RemetalError(
        'changer-failed',
        `${this.name} has no free slot for the cartridge in its drive.`,
        {
          hint: 'Take a cartridge out of it.',
          facts: { changer: this.name, drive: number },
        },
      );
    }
    await this.#changer.unload(free.number, number);
  }

  /** Brings the cartridge of a slot into the drive. */
  async bring(slot: number): Promise<void> {
    await this.putAway();
    if (this.#number === null) this.#number = await this.#probe(slot);
    else await this.#changer.load(slot, this.#number);
  }

  /* Which of its drives ours is, a changer does not always say: the cartridge shows it. */
  async #probe(slot: number): Promise<number> {
    const { drives } = await this.#changer.status();
    for (const { number, full } of drives) {
      if (full) continue;
      await this.#changer.load(slot, number);
      if (drives.length === 1 || (await this.#drive.isLoaded())) return number;
      await this.#unload(number);
    }
    throw new RemetalError('changer-failed', `No drive of ${this.name} is ${this.#drive.name}.`, {
      hint: 'Name the changer that fills this drive, or none.',
      facts: { changer: this.name, drive: this.#drive.name },
    });
  }
}
