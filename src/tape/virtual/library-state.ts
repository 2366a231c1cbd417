import { statSync } from 'node:fs';
import { join } from 'node:path';
import { RemetalError } from '../../errors/index.ts';
import {
  libraryFile,
  librarySchema,
  memoryFile,
  memorySchema,
  placesFile,
  placesSchema,
  readLibraryFile,
  writeLibraryFile,
  type CartridgeDescription,
  type LibraryDescription,
  type Places,
} from './library-file.ts';
import { withLock } from './lock.ts';

/** Where a cartridge may be: in a drive, from 0, or in a slot, from 1, those for import and export last. */
export type Place = { readonly drive: number } | { readonly slot: number };

export const noPlaces: Places = { slots: {}, drives: {}, presences: 0 };

/**
 * What a library holds and where, in its folder, so that every process sees the same. Throws
 * `library-invalid`, and `changer-failed` for a movement that cannot be made.
 */
export class LibraryState {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Changes when the description or a place changed. */
  fingerprint(): string {
    const parts = [libraryFile, placesFile].map((name) => {
      const facts = statSync(join(this.folder, name), { bigint: true, throwIfNoEntry: false });
      return facts === undefined ? '' : `${facts.ino}-${facts.mtimeNs}-${facts.size}`;
    });
    return parts.join(' ');
  }

  async description(): Promise<LibraryDescription> {
    return readLibraryFile(this.folder, libraryFile, librarySchema);
  }

  async places(): Promise<Places> {
    return readLibraryFile(this.folder, placesFile, placesSchema, noPlaces);
  }

  /** Changes what is said of a cartridge. */
  async describe(barcode: string, changes: Partial<CartridgeDescription>): Promise<void> {
    await withLock(this.folder, 'places', async () => {
      const description = await this.description();
      const described = description.cartridges[barcode];
      if (described === undefined) throw this.#failed(`it has no cartridge ${barcode}`);
      const cartridges = { ...description.cartridges, [barcode]: { ...described, ...changes } };
      await writeLibraryFile(this.folder, libraryFile, { ...description, cartridges });
    });
  }

  /** Takes a cartridge out of where it is, by hand; gives its barcode, null when there was none. */
  async takeOut(place: Place): Promise<string | null> {
    return this.#change((places) => remove(places, place)?.barcode ?? null);
  }

  /** Puts a cartridge that lies beside the library into an empty place, by hand. */
  async putIn(barcode: string, place: Place): Promise<void> {
    await this.#change((places, { cartridges }) => {
      if (cartridges[barcode] === undefined) throw this.#failed(`it has no cartridge ${barcode}`);
      if (Object.values(places.slots).includes(barcode) || drivesWith(places, barcode).length > 0)
        throw this.#failed(`cartridge ${barcode} is in another place`);
      this.#insert(places, barcode, place, null);
    });
  }

  /** Moves a cartridge as a changer does. */
  async move(from: Place, to: Place): Promise<void> {
    await this.#change(async (places, description) => {
      if ('drive' in from && description.needsEject === true && (await this.#isHeld(places, from.drive)))
        throw this.#failed(`drive ${from.drive} has not let go of its cartridge`);
      const moved = remove(places, from);
      if (moved === null) throw this.#failed(`there is no cartridge in ${placeName(from)}`);
      this.#insert(places, moved.barcode, to, 'slot' in from ? from.slot : moved.from);
    });
  }

  async #isHeld(places: Places, drive: number): Promise<boolean> {
    const memory = await readLibraryFile(this.folder, memoryFile(drive), memorySchema.nullable(), null);
    return memory === null || memory.presence !== places.drives[drive]?.presence || memory.loaded;
  }

  #insert(places: Places, barcode: string, place: Place, from: number | null): void {
    if ('slot' in place) {
      if (places.slots[place.slot] !== undefined) throw this.#failed(`slot ${place.slot} is full`);
      places.slots[place.slot] = barcode;
      return;
    }
    if (places.drives[place.drive] !== undefined) throw this.#failed(`drive ${place.drive} is full`);
    places.presences++;
    places.drives[place.drive] = { barcode, presence: places.presences, from };
  }

  async #change<T>(body: (places: Places, description: LibraryDescription) => T | Promise<T>): Promise<T> {
    return withLock(this.folder, 'places', async () => {
      const places = structuredClone(await this.places());
      const result = await body(places, await this.description());
      await writeLibraryFile(this.folder, placesFile, places);
      return result;
    });
  }

  #failed(reason: string): RemetalError {
    return new RemetalError('changer-failed', `The tape library ${this.folder} cannot do it: ${reason}.`, {
      facts: { folder: this.folder },
    });
  }
}

function remove(places: Places, place: Place): { barcode: string; from: number | null } | null {
  if ('slot' in place) {
    const barcode = places.slots[place.slot];
    delete places.slots[place.slot];
    return barcode === undefined ? null : { barcode, from: null };
  }
  const inDrive = places.drives[place.drive];
  delete places.drives[place.drive];
  return inDrive ?? null;
}

function drivesWith(places: Places, barcode: string): string[] {
  return Object.keys(places.drives).filter((drive) => places.drives[drive]!.barcode === barcode);
}

function placeName(place: Place): string {
  return 'slot' in place ? `slot ${place.slot}` : `drive ${place.drive}`;
}
