import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Cartridge, CartridgeFacts, DriveBay, DriveMemory } from './bay.ts';
import { CartridgeFile } from './cartridge-file.ts';
import type { Faults } from './faults.ts';
import {
  cartridgeFile,
  memoryFile,
  memorySchema,
  readLibraryFile,
  writeLibraryFile,
  type CartridgeDescription,
} from './library-file.ts';
import type { LibraryState } from './library-state.ts';

/** A drive's place in a library. Faults of the drive may be exchanged while it works. */
export class LibraryBay implements DriveBay {
  readonly name: string;
  readonly serial: string;
  faults: Faults;
  readonly #state: LibraryState;
  readonly #number: number;
  #seen = '';
  #cartridge: Cartridge | null = null;

  constructor(state: LibraryState, number: number, faults: Faults) {
    this.name = `tape+file:${state.folder}${number === 0 ? '' : `?drive=${number}`}`;
    this.serial = `V${statSync(state.folder).ino.toString(36).toUpperCase().padStart(9, '0')}${number}`;
    this.faults = faults;
    this.#state = state;
    this.#number = number;
  }

  async inside(): Promise<Cartridge | null> {
    const seen = this.#state.fingerprint();
    if (seen === this.#seen) return this.#cartridge;
    const { cartridges } = await this.#state.description();
    const inDrive = (await this.#state.places()).drives[this.#number];
    const description = inDrive === undefined ? undefined : cartridges[inDrive.barcode];
    if (inDrive === undefined || description === undefined) {
      await this.rest();
      this.#seen = seen;
      return null;
    }
    if (this.#cartridge?.presence !== inDrive.presence) await this.rest();
    const path = join(this.#state.folder, cartridgeFile(inDrive.barcode));
    this.#cartridge = {
      facts: cartridgeFacts(inDrive.barcode, description),
      tape: this.#cartridge?.tape ?? (await CartridgeFile.open(path)),
      presence: inDrive.presence,
    };
    this.#seen = seen;
    return this.#cartridge;
  }

  async rest(): Promise<void> {
    const tape = this.#cartridge?.tape;
    this.#cartridge = null;
    this.#seen = '';
    await tape?.close();
  }

  async remove(): Promise<void> {
    await this.#state.takeOut({ drive: this.#number });
  }

  async swap(barcode: string): Promise<void> {
    await this.#state.takeOut({ drive: this.#number });
    await this.#state.putIn(barcode, { drive: this.#number });
  }

  async protect(): Promise<void> {
    const barcode = this.#cartridge?.facts.barcode;
    if (barcode !== undefined) await this.#state.describe(barcode, { writeProtected: true });
  }

  async remembered(): Promise<DriveMemory | null> {
    return readLibraryFile(this.#state.folder, memoryFile(this.#number), memorySchema.nullable(), null);
  }

  async remember(memory: DriveMemory): Promise<void> {
    await writeLibraryFile(this.#state.folder, memoryFile(this.#number), memory);
  }
}

function cartridgeFacts(barcode: string, described: CartridgeDescription): CartridgeFacts {
  const { size } = described;
  return {
    barcode,
    capacity: size,
    earlyWarning: described.earlyWarning ?? size - Math.floor(size / 16),
    writeProtected: described.writeProtected ?? false,
    worm: described.worm ?? false,
    kind: described.kind ?? 'data',
    faults: described.faults ?? {},
  };
}
