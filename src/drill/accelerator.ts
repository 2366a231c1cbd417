import { constants } from 'node:fs';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isCoded } from '../errors/index.ts';
import type { Accelerator } from './hardware.ts';
import { startMachine } from './machine.ts';

/** How machines are run here, and why not by KVM where that is there. */
export interface AcceleratorChoice {
  readonly accelerator: Accelerator;
  /** A sentence; null where nothing is out of the ordinary. */
  readonly because: string | null;
}

/* A firmware that works says the word within half a second, emulated and all. */
const trialSeconds = 10;
const diskBytes = 1024 * 1024;
const word = 'K';

/**
 * A disk whose boot sector sends the word down the first serial line (port 0x3f8) and stops: mov dx, 0x3f8;
 * mov al, word; out dx, al; hlt; and again hlt whenever it is woken.
 */
function trialDisk(): Buffer {
  const disk = Buffer.alloc(diskBytes);
  Buffer.from([0xba, 0xf8, 0x03, 0xb0, word.charCodeAt(0), 0xee, 0xf4, 0xeb, 0xfd]).copy(disk);
  disk.writeUInt16BE(0x55aa, 510);
  return disk;
}

/**
 * Whether a machine like those of a drill comes as far as its boot sector. `/dev/kvm` that may be opened says less:
 * below another hypervisor guests were seen to stand still in their firmware. Throws `program-missing`.
 */
export async function starts(accelerator: Accelerator, signal?: AbortSignal): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'remetal-trial-'));
  try {
    const path = join(folder, 'disk');
    await writeFile(path, trialDisk());
    const heard = Promise.withResolvers<boolean>();
    const machine = await startMachine({
      folder,
      hardware: {
        firmware: 'bios',
        accelerator,
        memoryBytes: 64 * 1024 * 1024,
        cpus: 1,
        disks: [{ source: { kind: 'file', path }, controller: 'ahci', sectorSize: 512 }],
        forward: null,
      },
      onSerial: (text) => {
        if (text.includes(word)) heard.resolve(true);
      },
    });
    const waiting = new AbortController();
    const ending = signal === undefined ? waiting.signal : AbortSignal.any([waiting.signal, signal]);
    try {
      const overtime = delay(trialSeconds * 1000, false, { signal: ending });
      overtime.catch(() => {});
      return await Promise.race([heard.promise, machine.stopped.then(() => false), overtime]);
    } finally {
      waiting.abort();
      await machine.cutPower();
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (!isCoded(error, 'program-failed')) throw error;
    return false;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function mayUseKvm(): Promise<boolean> {
  return await access('/dev/kvm', constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
}

/**
 * The processor's own virtualisation where this user may use it and a machine starts by it, else emulation.
 * Throws `program-missing`, and the reason of the signal.
 */
export async function usableAccelerator(signal?: AbortSignal): Promise<AcceleratorChoice> {
  if (!(await mayUseKvm())) return { accelerator: 'tcg', because: null };
  if (await starts('kvm', signal)) return { accelerator: 'kvm', because: null };
  const because = `/dev/kvm is there, but no machine starts by it within ${trialSeconds} s: this one is emulated.`;
  return { accelerator: 'tcg', because };
}
