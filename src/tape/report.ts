import { isCoded, RemetalError } from '../errors/index.ts';
import { listChangers, listTapeDrives } from '../system/index.ts';
import type { Changer } from './changer.ts';
import type { CartridgeContents } from './contents.ts';
import type { TapeDrive } from './drive.ts';
import type { DriveLook } from './drive-look.ts';
import { mtxChanger } from './mtx-changer.ts';
import type { CartridgeMemory } from './scsi.ts';
import type { TapeAlert } from './tape-alerts.ts';

/** All that a drive and the cartridge in it say; null for what could not be asked. */
export interface DriveReport {
  readonly look: DriveLook | null;
  readonly memory: CartridgeMemory | null;
  readonly alerts: readonly TapeAlert[];
  /** What the cartridge holds; null where there is none that can be read. */
  readonly contents: CartridgeContents | null;
  /** Why something is missing above; null when nothing is. */
  readonly problem: RemetalError | null;
}

/**
 * Asks a drive what there is to know, and has `read` read the beginning and the ends of the files of its
 * cartridge, which is rewound for that. What fails is reported, not thrown. A drive that is still taking its
 * cartridge in is not waited for.
 */
export async function reportDrive(
  drive: TapeDrive,
  read: () => Promise<CartridgeContents>,
): Promise<DriveReport> {
  let look: DriveLook | null = null;
  let contents: CartridgeContents | null = null;
  let problem: RemetalError | null = null;
  let memory: CartridgeMemory | null = null;
  let alerts: readonly TapeAlert[] = [];
  try {
    look = await drive.look();
    // Asking clears them, so that they are asked before reading does.
    alerts = await drive.alerts();
    if (look.unready === null) {
      memory = await drive.memory();
      contents = await read();
    }
  } catch (error) {
    if (!isCoded(error)) throw error;
    problem = error;
  }
  return { look, memory, alerts, contents, problem };
}

/** The addresses of this machine's tape drives, as `openTapeDrive` takes them, and its changers. */
export async function drivesAndChangers(
  signal?: AbortSignal,
): Promise<{ readonly drives: readonly string[]; readonly changers: readonly Changer[] }> {
  const settings = signal === undefined ? {} : { signal };
  return {
    drives: (await listTapeDrives()).map(({ path, byId }) => `tape:${byId ?? path}`),
    changers: (await listChangers()).map(({ path, byId }) => mtxChanger(byId ?? path, settings)),
  };
}
