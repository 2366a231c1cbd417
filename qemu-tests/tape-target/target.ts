import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createLibrary,
  openLibrary,
  type CartridgeDescription,
  type DriveCounters,
  type Faults,
  type Place,
  type VirtualLibrary,
} from '../../src/tape/virtual/index.ts';
import { IscsiSession, type LogicalUnit } from './iscsi-session.ts';
import { SmcChanger } from './smc-changer.ts';
import { SscDrive } from './ssc-drive.ts';

export interface TapeTargetRequest {
  /** The folder of a library that is there. */
  readonly library?: string;
  /** Or what is in one that is made for this target, and goes with it; without slots the first is in the drive. */
  readonly cartridges?: Readonly<Record<string, CartridgeDescription>>;
  readonly drives?: number;
  readonly slots?: number;
  readonly importExportSlots?: number;
  readonly needsEject?: boolean;
  /** Of drive 0. */
  readonly faults?: Faults;
  /** 0, and when absent: one that is free. */
  readonly port?: number;
}

/** What a person does in front of the drives, and what can be seen there. */
export interface TapeTargetControl {
  readonly library: VirtualLibrary;
  /** Faults of a drive, from now on; writes and reads are counted anew. */
  setFaults(faults: Faults, drive?: number): void;
  /** Faults and facts of a cartridge, from now on. */
  describe(barcode: string, changes: Partial<CartridgeDescription>): Promise<void>;
  insert(barcode: string, place?: Place): Promise<void>;
  remove(place?: Place): Promise<string | null>;
  /** Puts another cartridge in the place of the one in the drive. */
  swap(barcode: string, drive?: number): Promise<void>;
  /** Moves the tab of the cartridge in the drive. */
  protect(drive?: number): Promise<void>;
  reset(drive?: number): void;
  raiseAlert(flag: number, drive?: number): void;
  counters(drive?: number): DriveCounters;
}

export interface TapeTarget {
  readonly port: number;
  readonly iqn: string;
  /** The unit of the changer, behind the drives; null without one. */
  readonly changerUnit: number | null;
  /** For QEMU's `-drive file=`. */
  url(unit: number): string;
  readonly control: TapeTargetControl;
  close(): Promise<void>;
}

const iqn = 'iqn.2026-11.org.remetal:tape';

/** Starts an iSCSI target with the drives of a library as its units from 0, and its changer behind them. */
export async function startTapeTarget(request: TapeTargetRequest): Promise<TapeTarget> {
  const { folder, made } = await libraryFolder(request);
  const library = await openLibrary(folder);
  if (request.faults !== undefined) library.drives[0]!.faults = request.faults;
  if (made && library.changer === null) {
    const first = Object.keys(request.cartridges ?? {}).at(0);
    if (first !== undefined) await library.insert(first);
  }
  const drives = library.drives.map(({ scsi }) => new SscDrive(scsi));
  const units: LogicalUnit[] = [...drives];
  const serials = drives.map(({ serial }) => serial);
  if (library.changer !== null) units.push(new SmcChanger(library.changer, `${serials[0]}L`, serials));

  const sockets = new Set<Socket>();
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(request.port ?? 0, '127.0.0.1', resolve);
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  server.on('connection', (socket) => {
    sockets.add(socket);
    // A machine that is switched off ends its connection anyhow.
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.unref();
    void new IscsiSession(socket, { iqn, portal: `127.0.0.1:${port}`, units });
  });

  return {
    port,
    iqn,
    changerUnit: library.changer === null ? null : drives.length,
    url: (unit) => `iscsi://127.0.0.1:${port}/${iqn}/${unit}`,
    control: controlOf(library),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => void server.close(resolve));
      for (const { scsi } of library.drives) {
        await scsi.remember();
        await scsi.bay.rest();
      }
      if (made) await rm(folder, { recursive: true, force: true });
    },
  };
}

async function libraryFolder(request: TapeTargetRequest): Promise<{ folder: string; made: boolean }> {
  if (request.library !== undefined) return { folder: request.library, made: false };
  const folder = await mkdtemp(join(tmpdir(), 'remetal-library-'));
  await createLibrary(folder, {
    drives: request.drives ?? 1,
    slots: request.slots ?? 0,
    importExportSlots: request.importExportSlots ?? 0,
    needsEject: request.needsEject ?? false,
    cartridges: request.cartridges ?? {},
  });
  return { folder, made: true };
}

function controlOf(library: VirtualLibrary): TapeTargetControl {
  const scsi = (drive: number) => library.drives[drive]!.scsi;
  return {
    library,
    setFaults: (faults, drive = 0) => {
      library.drives[drive]!.faults = faults;
    },
    describe: (barcode, changes) => library.describe(barcode, changes),
    insert: (barcode, place) => library.insert(barcode, place),
    remove: (place) => library.remove(place),
    swap: (barcode, drive = 0) => scsi(drive).bay.swap(barcode),
    protect: (drive = 0) => scsi(drive).bay.protect(),
    reset: (drive = 0) => scsi(drive).reset(),
    raiseAlert: (flag, drive = 0) => scsi(drive).raiseAlert(flag),
    counters: (drive = 0) => scsi(drive).counters,
  };
}
