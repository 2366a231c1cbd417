import { RemetalError } from '../../src/errors/index.ts';
import type { Notice } from '../../src/progress/index.ts';
import type { OpenTape, TapeDevice, TapeStatus } from '../../src/system/index.ts';
import type { Changer } from '../../src/tape/changer.ts';
import type { CartridgeContents, PartOnCartridge } from '../../src/tape/contents.ts';
import { openCartridges, type CartridgesRequest } from '../../src/tape/drive-cartridges.ts';
import { TapeDrive } from '../../src/tape/drive.ts';
import { passingInventory } from '../../src/tape/inventory.ts';
import type { Cartridges, CartridgeRequest, TapeOperator } from '../../src/tape/index.ts';

/** A cartridge by what stands on it; a tape is never read. */
export interface FakeCartridge {
  /** Null for one the changer cannot read. */
  readonly barcode: string | null;
  contents: CartridgeContents;
  writeProtected?: boolean;
  writeOnce?: boolean;
}

const nothing: CartridgeContents = {
  label: null,
  blank: true,
  foreign: null,
  labelFile: 0,
  parts: [],
  appendAt: 0,
  full: false,
};

export const recordLimit = 1024 * 1024;
let made = 0;

/** A UUID that no other cartridge of this process has. */
function uuid(): string {
  made++;
  return `00000000-0000-4000-8000-${String(made).padStart(12, '0')}`;
}

export function blank(barcode: string | null = null): FakeCartridge {
  return { barcode, contents: nothing };
}

export function foreign(barcode: string | null, what = 'a tar archive'): FakeCartridge {
  return { barcode, contents: { ...nothing, blank: false, foreign: what } };
}

/** A part for `labelled`: number 1 of `web1` unless said otherwise. */
export function part(facts: Partial<PartOnCartridge> = {}): Omit<PartOnCartridge, 'file'> {
  return {
    set: 'web1',
    setId: 'id-web1',
    part: 1,
    firstOrdinal: 0,
    machine: 'web1',
    createdAt: '2031-02-03T04:05:06Z',
    ends: 'part',
    ...facts,
  };
}

export interface LabelledFacts {
  readonly barcode?: string | null;
  readonly recordLimit?: number;
}

/** A cartridge of ours with parts. */
export function labelled(
  name: string,
  parts: readonly Omit<PartOnCartridge, 'file'>[] = [],
  { barcode = name, recordLimit: limit = recordLimit }: LabelledFacts = {},
): FakeCartridge {
  const placed = parts.map((one, i) => ({ ...one, file: i + 1 }));
  const last = placed.at(-1);
  return {
    barcode,
    contents: {
      ...nothing,
      blank: false,
      label: {
        format: 1,
        cartridge: uuid(),
        name,
        barcode,
        recordLimit: limit,
        labelledAt: '2031-02-03T04:05:06Z',
        software: 'test',
      },
      parts: placed,
      appendAt: last?.ends === 'open' ? last.file : placed.length + 1,
      full: last?.ends === 'part',
    },
  };
}

interface DriveOfFake {
  cartridge: FakeCartridge | null;
  from: number | null;
  /** It let go of its cartridge. */
  ejected: boolean;
}

export interface FakeLibraryRequest {
  /** By slot, from 1; null for an empty one. */
  readonly slots?: readonly (FakeCartridge | null)[];
  readonly importExportSlots?: readonly (FakeCartridge | null)[];
  readonly drives?: number;
  /** Which of the drives is ours. */
  readonly ours?: number;
  readonly inDrive?: FakeCartridge | null;
}

/** A library in memory, whose changer is held to the rules of one: nothing is taken from a drive that holds it. */
export class FakeLibrary {
  readonly slots: (FakeCartridge | null)[];
  readonly #storage: number;
  readonly drives: DriveOfFake[];
  readonly ours: DriveOfFake;
  /** Every move, as `load 3 0`. */
  readonly moves: string[] = [];
  /** How many of the next moves of each kind fail, by their beginning. */
  readonly failures = new Map<string, number>();
  /** TapeAlert flags that our drive raises when it is asked next. */
  readonly alerts: number[] = [];
  /** Our drive refuses to eject; with `held` it does not let go either. */
  ejecting: 'works' | 'refused' | 'held' = 'works';
  /** Open handles of our drive. */
  open = 0;

  constructor({
    slots = [],
    importExportSlots = [],
    drives = 1,
    ours = 0,
    inDrive = null,
  }: FakeLibraryRequest) {
    this.slots = [...slots, ...importExportSlots];
    this.#storage = slots.length;
    this.drives = Array.from({ length: drives }, () => ({ cartridge: null, from: null, ejected: false }));
    this.ours = this.drives[ours]!;
    this.ours.cartridge = inDrive;
  }

  readonly changer: Changer = {
    name: 'fake',
    status: async () => ({
      drives: this.drives.map(({ cartridge, from }, number) => ({
        number,
        full: cartridge !== null,
        barcode: cartridge?.barcode ?? null,
        from,
      })),
      slots: this.slots.map((cartridge, i) => ({
        number: i + 1,
        full: cartridge !== null,
        barcode: cartridge?.barcode ?? null,
        importExport: i >= this.#storage,
      })),
    }),
    load: async (slot, drive) => {
      this.#begin(`load ${slot} ${drive}`);
      const target = this.drives[drive]!;
      const cartridge = this.slots[slot - 1] ?? null;
      if (cartridge === null || target.cartridge !== null) throw this.#refused(`load ${slot} ${drive}`);
      Object.assign(target, { cartridge, from: slot, ejected: false });
      this.slots[slot - 1] = null;
    },
    unload: async (slot, drive) => {
      this.#begin(`unload ${slot} ${drive}`);
      const source = this.drives[drive]!;
      const held = source === this.ours && (!source.ejected || this.open > 0);
      if (source.cartridge === null || this.slots[slot - 1] !== null || held) {
        throw this.#refused(`unload ${slot} ${drive}`);
      }
      this.slots[slot - 1] = source.cartridge;
      Object.assign(source, { cartridge: null, from: null, ejected: false });
    },
    transfer: async (from, to) => {
      this.#begin(`transfer ${from} ${to}`);
      this.slots[to - 1] = this.slots[from - 1] ?? null;
      this.slots[from - 1] = null;
    },
  };

  #begin(move: string): void {
    this.moves.push(move);
    for (const [beginning, left] of this.failures) {
      if (left === 0 || !`${move} `.startsWith(`${beginning} `)) continue;
      this.failures.set(beginning, left - 1);
      throw this.#refused(move);
    }
  }

  #refused(move: string): RemetalError {
    return new RemetalError('changer-failed', `The changer refused ${move}.`);
  }

  /** A person takes what is in our drive out and puts another cartridge in. */
  put(cartridge: FakeCartridge | null): void {
    Object.assign(this.ours, { cartridge, from: null, ejected: false });
  }

  readonly openTape: OpenTape = async (access) => {
    const { cartridge } = this.ours;
    if (access !== 'look' && !this.#isLoaded()) throw errno('ENOMEDIUM');
    if (access === 'write' && cartridge?.writeProtected === true) throw errno('EROFS');
    this.open++;
    return this.#device();
  };

  #isLoaded(): boolean {
    return this.ours.cartridge !== null && !this.ours.ejected;
  }

  #device(): TapeDevice {
    const good = { status: 0, sense: Buffer.alloc(0), data: Buffer.alloc(0) };
    return {
      name: 'fake drive',
      read: () => Promise.reject(errno('EIO')),
      write: () => Promise.reject(errno('EIO')),
      operate: async (operation) => {
        if (operation === 'OFFL') {
          this.ours.ejected = this.ejecting !== 'held';
          if (this.ejecting !== 'works') throw errno('EIO');
        }
        if (operation === 'LOAD') this.ours.ejected = false;
      },
      status: async () => ({ ...status, online: this.#isLoaded() }),
      tell: async () => 0,
      command: async ({ command }) => {
        const code = command[0];
        if (code === 0x8c && this.ours.cartridge?.writeOnce === true) return { ...good, data: writeOnceChip };
        if (code === 0x4d) return { ...good, data: alertPage(this.alerts.splice(0)) };
        if (code !== 0) return { ...good, status: 2 };
        if (this.#isLoaded()) return good;
        // NOT READY: no cartridge, or one that has to be loaded.
        const why = this.ours.cartridge === null ? [0x3a, 0] : [0x04, 0x02];
        return {
          ...good,
          status: 2,
          sense: Buffer.from([0x70, 0, 2, 0, 0, 0, 0, 10, 0, 0, 0, 0, ...why, 0, 0, 0, 0]),
        };
      },
      close: async () => {
        this.open--;
      },
    };
  }

  contents(): CartridgeContents {
    const { cartridge } = this.ours;
    if (cartridge === null || this.open === 0) throw new Error('there is nothing to read');
    return cartridge.contents;
  }
}

/* MEDIUM TYPE (0408h), one byte: 80h is one that can be written only once. */
const writeOnceChip = Buffer.from([0, 0, 0, 6, 0x04, 0x08, 0x80, 0, 1, 0x80]);

/** The log page 2Eh with flags raised: each one a parameter of one byte. */
function alertPage(flags: readonly number[]): Buffer {
  const parameters = flags.map((flag) => [0, flag, 0, 1, 1]);
  return Buffer.from([0x2e, 0, 0, parameters.length * 5, ...parameters.flat()]);
}

const status: TapeStatus = {
  file: 0,
  block: 0,
  blockSize: 0,
  density: 0,
  online: false,
  writeProtected: false,
  beginning: true,
  endOfFile: false,
  endOfData: false,
  endOfTape: false,
  doorOpen: false,
  cleaning: false,
};

function errno(code: string): Error {
  return Object.assign(new Error(code), { code });
}

export interface Stage {
  readonly library: FakeLibrary;
  readonly cartridges: Cartridges;
  readonly told: Notice[];
  /** The codes of what was told, loads and their like left out. */
  readonly warnings: () => string[];
}

const wait = async (): Promise<void> => {};

/** Cartridges over a library; with its changer unless there are no slots. */
export function stage(library: FakeLibrary, options: Partial<CartridgesRequest> = {}): Stage {
  const told: Notice[] = [];
  const drive = new TapeDrive('fake drive', library.openTape, { waiting: { wait } });
  const cartridges = openCartridges({
    drive,
    changer: library.slots.length === 0 ? null : { changer: library.changer, driveNumber: null },
    operator: null,
    inventory: passingInventory(),
    tell: (notice) => void told.push(notice),
    labelBlank: async (_drive, { name, barcode }) => {
      library.ours.cartridge!.contents = labelled(name, [], { barcode }).contents;
    },
    readContents: async () => library.contents(),
    isSame: async (_drive, { label }) => library.contents().label?.cartridge === label?.cartridge,
    wait,
    ...options,
  });
  return {
    library,
    cartridges,
    told,
    warnings: () => told.filter(({ level }) => level === 'warning').map(({ code }) => code),
  };
}

/** A person who does one thing after another, and gives up at the end. */
export function person(
  ...acts: readonly ((request: CartridgeRequest) => void)[]
): TapeOperator & { readonly asked: CartridgeRequest[] } {
  const asked: CartridgeRequest[] = [];
  return {
    asked,
    async change(request) {
      asked.push(request);
      const act = acts[asked.length - 1];
      if (act === undefined) throw new RemetalError('cartridge-needed', 'The person gives up.');
      act(request);
    },
  };
}
