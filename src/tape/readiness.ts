import { setTimeout as sleep } from 'node:timers/promises';
import { formatDuration } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import type { Notice } from '../progress/index.ts';
import type { TapeDevice } from '../system/index.ts';
import { decodeSense, testUnitReady, whyUnready, type Unready } from './scsi.ts';

/** How long to wait for a drive, and how. */
export interface Waiting {
  /** Seconds; a new cartridge of the ninth LTO generation is calibrated for up to two and a quarter hours. */
  readonly seconds?: number;
  readonly signal?: AbortSignal;
  /** For tests. */
  readonly wait?: (milliseconds: number, signal: AbortSignal | undefined) => Promise<void>;
}

const longestWait = 3 * 3600;
const pollSeconds = 2;
/** From here on it is no ordinary loading any more, and a person is told; then again each time it doubles. */
const loadingSeconds = 60;

/**
 * Waits until the drive has its cartridge ready. Throws `drive-empty`, `drive-not-ready` after the longest
 * wait, `cartridge-wrong` for a cleaning cartridge.
 */
export async function waitUntilReady(
  device: TapeDevice,
  drive: string,
  waiting: Waiting = {},
  tell: (notice: Notice) => void = () => {},
): Promise<void> {
  const { seconds = longestWait, signal } = waiting;
  const wait = waiting.wait ?? ((milliseconds, stop) => sleep(milliseconds, undefined, { signal: stop }));
  let tellAt = loadingSeconds;
  for (let waited = 0; ; waited += pollSeconds) {
    const why = await unreadiness(device);
    if (why === null) return;
    if (why === 'empty') {
      throw new RemetalError('drive-empty', `No cartridge is in the tape drive ${drive}.`, {
        facts: { drive },
      });
    }
    if (why === 'cleaning') {
      throw new RemetalError('cartridge-wrong', `A cleaning cartridge is in the tape drive ${drive}.`, {
        hint: 'Wait until the drive lets go of it, then put in a data cartridge.',
        facts: { drive },
      });
    }
    if (why === 'unloaded') await device.operate('LOAD').catch(() => {});
    if (why === 'foreign') {
      throw new RemetalError('cartridge-wrong', `The tape drive ${drive} cannot use the cartridge in it.`, {
        hint: 'It is of a generation or a kind that this drive does not know.',
        facts: { drive },
      });
    }
    if (waited >= seconds) {
      throw new RemetalError(
        'drive-not-ready',
        `The tape drive ${drive} is not ready after ${formatDuration(waited)}.`,
        {
          hint: 'Look at the drive itself.',
          facts: { drive, waited },
        },
      );
    }
    if (waited >= tellAt) {
      tellAt = waited * 2;
      tell({
        level: 'info',
        code: 'drive-becoming-ready',
        message: `${drive} is still making its cartridge ready after ${formatDuration(waited)}; a new cartridge may be calibrated for two hours and must not be taken out`,
        facts: { drive, waited },
      });
    }
    await wait(pollSeconds * 1000, signal);
  }
}

/** What stands between the drive and being ready; null for nothing. */
export async function unreadiness(device: TapeDevice): Promise<Exclude<Unready, 'news'> | null> {
  // The first answers after a load or a reset only tell of that.
  for (let tries = 0; tries < 4; tries++) {
    const answer = await device.command(testUnitReady).catch(() => null);
    // Who may send no commands has to believe the driver, which looked when the drive was opened.
    if (answer === null) return (await device.status()).online ? null : 'empty';
    if (answer.status === 0) return null;
    const sense = decodeSense(answer.sense);
    if (sense === null) return 'other';
    const why = whyUnready(sense);
    if (why !== 'news') return why;
  }
  return 'other';
}
