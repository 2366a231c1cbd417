import { mkdir } from 'node:fs/promises';
import { RemetalError } from '../../errors/index.ts';
import type { OpenTape } from '../../system/index.ts';
import type { Changer, ChangerStatus } from '../changer.ts';
import type { Faults } from './faults.ts';
import { LibraryBay } from './library-bay.ts';
import {
  libraryFile,
  librarySchema,
  placesFile,
  writeLibraryFile,
  type CartridgeDescription,
  type Places,
} from './library-file.ts';
import { LibraryState, noPlaces, type Place } from './library-state.ts';
import { takeLock } from './lock.ts';
import { systemClock, type Clock } from './pace.ts';
import { ScsiDrive } from './scsi-drive.ts';
import { openVirtualDrive } from './virtual-drive.ts';

export interface LibraryRequest {
  /** How many, or the faults of each. */
  readonly drives: number | readonly { readonly faults?: Faults }[];
  /** Storage slots; 0 for drives without a changer. */
  readonly slots: number;
  readonly importExportSlots?: number;
  readonly needsEject?: boolean;
  /** By barcode. They fill the slots in this order; those that find none lie beside the library. */
  readonly cartridges: Readonly<Record<string, CartridgeDescription>>;
}

export interface VirtualLibraryDrive {
  /** From 0, as the changer counts. */
  readonly number: number;
  /** The address a person gives. */
  readonly name: string;
  readonly open: OpenTape;
  /** The drive behind the driver, with its counters. */
  readonly scsi: ScsiDrive;
  /** What it has of `library.json`, or what was set since. A change counts at once. */
  faults: Faults;
}

export interface VirtualLibrary {
  readonly folder: string;
  /** Null for drives without a changer. */
  readonly changer: Changer | null;
  readonly drives: readonly VirtualLibraryDrive[];
  /** A person puts a cartridge that is in no place into a drive or slot; drive 0 when not said. */
  insert(barcode: string, place?: Place): Promise<void>;
  /** A person takes a cartridge out; gives its barcode, null when there was none. */
  remove(place?: Place): Promise<string | null>;
  /** Changes what `library.json` says of a cartridge: the tab moved, other faults. */
  describe(barcode: string, changes: Partial<CartridgeDescription>): Promise<void>;
}

/** Makes a library in a folder, which is made when there is none. Throws `library-invalid` when there is one in it. */
export async function createLibrary(folder: string, request: LibraryRequest): Promise<void> {
  const { drives, slots, cartridges } = request;
  await mkdir(folder, { recursive: true });
  const state = new LibraryState(folder);
  if (
    await state.description().then(
      () => true,
      () => false,
    )
  ) {
    throw new RemetalError('library-invalid', `There is a virtual tape library in ${folder} already.`, {
      facts: { folder },
    });
  }
  const description = librarySchema.safeParse({
    format: 'remetal tape library 1',
    drives: typeof drives === 'number' ? Array.from({ length: drives }, () => ({})) : drives,
    slots,
    importExportSlots: request.importExportSlots ?? 0,
    needsEject: request.needsEject ?? false,
    cartridges,
  });
  if (!description.success) {
    throw new RemetalError(
      'library-invalid',
      `A virtual tape library cannot be so: ${description.error.message}`,
    );
  }
  const stored = Object.keys(cartridges).slice(0, slots);
  const places: Places = { ...noPlaces, slots: Object.fromEntries(stored.map((name, i) => [i + 1, name])) };
  await writeLibraryFile(folder, placesFile, places);
  await writeLibraryFile(folder, libraryFile, description.data);
}

/** Opens the library of a folder; drives are opened by their own `open`. Throws `library-invalid`. */
export async function openLibrary(folder: string, clock: Clock = systemClock): Promise<VirtualLibrary> {
  const state = new LibraryState(folder);
  const description = await state.description();
  const drives = description.drives.map(({ faults = {} }, number): VirtualLibraryDrive => {
    const bay = new LibraryBay(state, number, faults);
    const scsi = new ScsiDrive(bay, clock);
    return {
      number,
      name: bay.name,
      scsi,
      open: openVirtualDrive(scsi, () => takeLock(folder, `drive-${number}`)),
      get faults() {
        return bay.faults;
      },
      set faults(next: Faults) {
        bay.faults = next;
      },
    };
  });
  return {
    folder,
    changer: description.slots === 0 ? null : new VirtualChanger(state),
    drives,
    insert: (barcode, place = { drive: 0 }) => state.putIn(barcode, place),
    remove: (place = { drive: 0 }) => state.takeOut(place),
    describe: (barcode, changes) => state.describe(barcode, changes),
  };
}

/** The robot of a library. */
class VirtualChanger implements Changer {
  readonly name: string;
  readonly #state: LibraryState;

  constructor(state: LibraryState) {
    this.name = `tape+file:${state.folder}`;
    this.#state = state;
  }

  async status(): Promise<ChangerStatus> {
    const { drives, slots, importExportSlots } = await this.#state.description();
    const places = await this.#state.places();
    return {
      drives: drives.map((_, number) => {
        const inside = places.drives[number];
        return {
          number,
          full: inside !== undefined,
          barcode: inside?.barcode ?? null,
          from: inside?.from ?? null,
        };
      }),
      slots: Array.from({ length: slots + importExportSlots }, (_, i) => {
        const barcode = places.slots[i + 1] ?? null;
        return { number: i + 1, full: barcode !== null, barcode, importExport: i >= slots };
      }),
    };
  }

  async #mustHave(...places: readonly Place[]): Promise<void> {
    const { drives, slots, importExportSlots } = await this.#state.description();
    for (const place of places) {
      const exists =
        'drive' in place
          ? place.drive >= 0 && place.drive < drives.length
          : place.slot >= 1 && place.slot <= slots + importExportSlots;
      if (exists) continue;
      const name = 'drive' in place ? `drive ${place.drive}` : `slot ${place.slot}`;
      throw new RemetalError('changer-failed', `The tape library ${this.name} has no ${name}.`, {
        facts: { library: this.name, ...place },
      });
    }
  }

  async load(slot: number, drive: number): Promise<void> {
    await this.#mustHave({ slot }, { drive });
    await this.#state.move({ slot }, { drive });
  }

  async unload(slot: number, drive: number): Promise<void> {
    await this.#mustHave({ slot }, { drive });
    await this.#state.move({ drive }, { slot });
  }

  async transfer(from: number, to: number): Promise<void> {
    await this.#mustHave({ slot: from }, { slot: to });
    await this.#state.move({ slot: from }, { slot: to });
  }
}
