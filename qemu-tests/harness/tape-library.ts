import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startRelay, type Relay } from './relay.ts';
import { run } from './run.ts';
import { TargetDaemon, targetNumber } from './target-daemon.ts';
import type { TapeUnit } from './tape-units.ts';

/** One cartridge; its barcode is also the name of the file that holds its data. */
export interface Cartridge {
  readonly barcode: string;
  /** How much fits before the drive warns of the end. tgt takes more after the warning, without end. */
  readonly mebibytes: number;
  /** Its tab is set. */
  readonly writeProtected?: boolean;
}

export interface TapeLibraryOptions {
  /** Where the cartridges and the control socket lie; at most 80 characters. */
  readonly folder: string;
  readonly drives: 1 | 2;
  /** Storage slots of the changer; an import and export slot comes with it. */
  readonly slots: number;
  /** With a changer they lie in its slots in this order; without one, on the table: see `insert`. */
  readonly cartridges: readonly Cartridge[];
  readonly changer: boolean;
}

const name = 'iqn.2026-11.org.remetal:rig';
/** Addresses of the changer's elements; mtx counts slots from 1. */
const firstSlot = 1024;
const exportSlot = 2048;

/** SMC-3 table 2, "Element type code". */
const elements = { robot: 1, storage: 2, importExport: 3, drive: 4 } as const;

/**
 * Tape drives, with or without a changer, of Linux's SCSI target daemon (tgtd): no code of ours. They are
 * attached to a machine by `units`. Start it before the machine and close it after: QEMU heeds no signal but
 * KILL while its iSCSI target is gone.
 */
export class TapeLibrary {
  readonly #options: TapeLibraryOptions;
  readonly #protected: Set<string>;
  #work: Promise<void> = Promise.resolve();
  #failure: unknown = null;
  #daemon: TargetDaemon | null = null;
  #relay: Relay | null = null;

  private constructor(options: TapeLibraryOptions) {
    this.#options = options;
    this.#protected = new Set(
      options.cartridges.filter(({ writeProtected }) => writeProtected).map(({ barcode }) => barcode),
    );
  }

  /** Starts the daemon and sets up what `options` names; every drive is empty. */
  static async start(options: TapeLibraryOptions): Promise<TapeLibrary> {
    mkdirSync(options.folder, { recursive: true });
    for (const cartridge of options.cartridges) {
      await makeCartridge(options.folder, cartridge.barcode, cartridge.mebibytes);
    }
    const library = new TapeLibrary(options);
    try {
      const daemon = await TargetDaemon.start(options.folder, (log) => library.#hear(log));
      library.#daemon = daemon;
      await library.#setUp(daemon);
      library.#relay = await startRelay(daemon.port, async () => await library.#work);
      return library;
    } catch (error) {
      await library.close().catch(() => {});
      throw error;
    }
  }

  /** The drives, and the changer after them, as a machine takes them. */
  get units(): readonly TapeUnit[] {
    const { drives, changer } = this.#options;
    const port = this.#relay?.port;
    return Array.from({ length: drives + (changer ? 1 : 0) }, (_, index) => ({
      url: `iscsi://127.0.0.1:${port}/${name}/${index + 1}`,
    }));
  }

  /** What the drives say their serials are, by number from 0. */
  get serials(): readonly string[] {
    return Array.from({ length: this.#options.drives }, (_, drive) => serialOf(drive));
  }

  /** Moves the tab of a cartridge, wherever it is. */
  async setTab(barcode: string, isProtected: boolean): Promise<void> {
    if (isProtected) this.#protected.add(barcode);
    else this.#protected.delete(barcode);
    await this.#settled(async () => await this.#setDrives());
  }

  /** A person puts a cartridge from the table into a drive; one that is in it comes out. */
  async insert(barcode: string, drive = 0): Promise<void> {
    await this.#settled(async () => {
      await this.#update(drive, 'online=0');
      await this.#update(drive, `readonly=${this.#protected.has(barcode) ? 1 : 0}`);
      await this.#update(drive, `path=${join(this.#options.folder, barcode)}`);
      await this.#update(drive, 'online=1');
    });
  }

  /** A person takes the cartridge out of a drive. */
  async remove(drive = 0): Promise<void> {
    await this.#settled(async () => await this.#update(drive, 'online=0'));
  }

  /** The barcode of the cartridge in a drive, or null. */
  async inDrive(drive = 0): Promise<string | null> {
    return (await this.#drives())[drive] ?? null;
  }

  /** A person puts a cartridge from the table into an empty slot of the changer; slots count from 1. */
  async fillSlot(slot: number, barcode: string): Promise<void> {
    await this.#settled(
      async () => await this.#element(elements.storage, slot, `barcode=${barcode},sides=1`),
    );
  }

  /** A person takes what is in a slot of the changer away. */
  async emptySlot(slot: number): Promise<void> {
    await this.#settled(async () => await this.#element(elements.storage, slot, 'clear_slot=1'));
  }

  /** Ends the daemon; throws what went wrong unnoticed. The cartridges stay in their folder. */
  async close(): Promise<void> {
    await this.#relay?.close();
    await this.#work;
    await this.#daemon?.close();
    if (this.#failure !== null) throw this.#failure;
  }

  /* One order to the daemon after the other; what a cartridge that was loaded asks for goes before. */
  async #settled(orders: () => Promise<void>): Promise<void> {
    const next = this.#work.then(orders);
    this.#work = next.catch(() => {});
    await next;
  }

  /*
   * tgt keeps write protection with the drive, not with the cartridge. It says when its changer has put a
   * cartridge into a drive, before it answers the guest; the relay lets the answer wait until the drive
   * knows of the tab.
   */
  #hear(log: string): void {
    if (!/bs_ssc_open\(\d+\) Backing store/.test(log) || this.#protected.size === 0) return;
    this.#settled(async () => await this.#setDrives()).catch((error: unknown) => (this.#failure = error));
  }

  async #setUp(daemon: TargetDaemon): Promise<void> {
    const { folder, drives, changer, slots, cartridges } = this.#options;
    await daemon.order('target', 'new', '-T', name);
    for (let drive = 0; drive < drives; drive++) {
      // A drive is only made with a cartridge in it.
      const inTheWay = await makeCartridge(folder, `EMPTY${drive}`, 1);
      const kind = ['--device-type', 'tape', '--bstype', 'ssc'];
      await daemon.order('logicalunit', 'new', '--lun', `${drive + 1}`, '-b', inTheWay, ...kind);
      await this.#update(drive, 'online=0');
      await this.#update(drive, `vendor_id=RIG,product_id=TGT TAPE,scsi_sn=${serialOf(drive)}`);
    }
    if (changer) {
      const state = join(folder, 'changer');
      writeFileSync(state, Buffer.alloc(1024));
      const kind = ['--device-type', 'changer'];
      await daemon.order('logicalunit', 'new', '--lun', `${drives + 1}`, '-b', state, ...kind);
      await this.#update(drives, 'vendor_id=RIG,product_id=TGT CHANGER,scsi_sn=CHANGER1');
      await this.#update(drives, `media_home=${folder}`);
      await this.#update(drives, `element_type=${elements.drive},start_address=1,quantity=${drives}`);
      for (let drive = 1; drive <= drives; drive++) {
        const wiring = `element_type=${elements.drive},address=${drive},tid=${targetNumber},lun=${drive}`;
        await this.#update(drives, wiring);
      }
      const rest = [
        [elements.robot, 16, 1],
        [elements.storage, firstSlot, slots],
        [elements.importExport, exportSlot, 1],
      ] as const;
      for (const [type, start, quantity] of rest) {
        await this.#update(drives, `element_type=${type},start_address=${start},quantity=${quantity}`);
      }
      for (const [index, { barcode }] of cartridges.entries()) {
        await this.#element(elements.storage, index + 1, `barcode=${barcode},sides=1`);
      }
    }
    await daemon.order('target', 'bind', '-I', 'ALL');
  }

  /* Sets parameters of a drive, or of the changer, which comes after the drives. */
  async #update(unit: number, parameters: string): Promise<void> {
    await this.#daemon?.update(unit + 1, parameters);
  }

  async #element(type: number, slot: number, parameters: string): Promise<void> {
    const address = firstSlot + slot - 1;
    await this.#update(this.#options.drives, `element_type=${type},address=${address},${parameters}`);
  }

  /* What is in each drive. */
  async #drives(): Promise<(string | null)[]> {
    const shown = (await this.#daemon?.order('target', 'show')) ?? '';
    const units = shown.split(/^ +LUN: /m).filter((unit) => /Type: tape/.test(unit));
    return units.map((unit) => {
      const [, path = ''] = /Backing store path: (.*)$/m.exec(unit) ?? [];
      return /Online: Yes/.test(unit) ? (path.split('/').at(-1) ?? null) : null;
    });
  }

  async #setDrives(): Promise<void> {
    for (const [drive, barcode] of (await this.#drives()).entries()) {
      if (barcode === null) continue;
      await this.#update(drive, `readonly=${this.#protected.has(barcode) ? 1 : 0}`);
    }
  }
}

function serialOf(drive: number): string {
  return `TAPEDRV${drive + 1}`;
}

/** An empty cartridge; returns its file. */
async function makeCartridge(folder: string, barcode: string, mebibytes: number): Promise<string> {
  const file = join(folder, barcode);
  const kind = ['--device-type', 'tape', '--type', 'data', '--thin-provisioning'];
  await run('tgtimg', [
    '--op',
    'new',
    ...kind,
    `--barcode=${barcode}`,
    `--size=${mebibytes}`,
    `--file=${file}`,
  ]);
  return file;
}

/** Starts a library, does `work` with it and makes sure that it is gone afterwards. */
export async function withTapeLibrary<T>(
  options: TapeLibraryOptions,
  work: (library: TapeLibrary) => Promise<T>,
): Promise<T> {
  const library = await TapeLibrary.start(options);
  try {
    return await work(library);
  } finally {
    await library.close();
  }
}
