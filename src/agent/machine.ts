import { readFile, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { listDisks, type Disk } from '../disk/index.ts';
import {
  hostFileSystems,
  listChangers,
  listTapeDrives,
  machineFacts,
  mountFileSystem,
  secureBoot,
  unmountFileSystem,
  type HostFileSystem,
  type MachineFacts,
} from '../system/index.ts';

/** A tape drive of the machine. */
export interface TapeOfMachine {
  /** What `openMedium` takes. */
  readonly address: string;
  readonly path: string;
  readonly serial: string | null;
  readonly model: string;
}

/** What the agent needs of the machine it runs on; a test has one of its own. */
export interface Machine {
  kernelLine(): Promise<string>;
  /** The text of the answers baked into the image; null where there are none. */
  bakedAnswers(): Promise<string | null>;
  facts(): Promise<MachineFacts>;
  /** Null where the firmware has no such thing. */
  secureBoot(): Promise<boolean | null>;
  disks(): Promise<Disk[]>;
  fileSystems(): Promise<HostFileSystem[]>;
  /** The tape drives. */
  tapes(): Promise<TapeOfMachine[]>;
  /** The changers that fill them. */
  changers(): Promise<Omit<TapeOfMachine, 'address'>[]>;
  /** Mounts a file system and gives the folder; one that is mounted already is mounted anew where the rights differ. */
  mount(found: HostFileSystem, write: boolean): Promise<string>;
  unmount(found: HostFileSystem): Promise<void>;
  /** Milliseconds of a steady clock. */
  clock(): number;
  now(): Date;
  wait(milliseconds: number, signal: AbortSignal): Promise<void>;
  /** Leaves word what is done when the agent has ended; in the appliance its first process reads it. */
  leaveWord(next: 'reboot' | 'poweroff' | 'again'): Promise<void>;
}

/* As buildroot-overlay/init reads it. */
const nextPath = '/run/remetal/next';
const mediaFolder = '/run/remetal/media';

/** The answers file baked into the image, put there by `remetal build --answers`. */
export const bakedAnswersPath = '/etc/remetal/answers.yaml';

/** The machine this program runs on. */
export function hostMachine(): Machine {
  const mounted = new Map<string, { folder: string; write: boolean }>();
  const unmount = async ({ device }: HostFileSystem): Promise<void> => {
    const present = mounted.get(device);
    if (present === undefined) return;
    await unmountFileSystem(present.folder);
    mounted.delete(device);
    await rm(present.folder, { recursive: false, force: true }).catch(() => undefined);
  };
  return {
    kernelLine: () => readFile('/proc/cmdline', 'utf8'),
    bakedAnswers: () => readFile(bakedAnswersPath, 'utf8').catch(() => null),
    facts: machineFacts,
    secureBoot,
    disks: () => listDisks(),
    fileSystems: hostFileSystems,
    tapes: async () =>
      (await listTapeDrives()).map(({ path, vendor, model, serial }) => ({
        address: `tape:${path}`,
        path,
        serial,
        model: `${vendor} ${model}`.trim(),
      })),
    changers: async () =>
      (await listChangers()).map(({ path, vendor, model, serial }) => ({
        path,
        serial,
        model: `${vendor} ${model}`.trim(),
      })),
    async mount(found, write) {
      const present = mounted.get(found.device);
      if (present !== undefined) {
        if (present.write === write) return present.folder;
        await unmount(found);
      }
      const name = (found.label ?? found.uuid ?? found.device).replaceAll(/[^A-Za-z0-9._-]+/g, '_');
      const taken = [...mounted.values()].some(({ folder }) => folder === `${mediaFolder}/${name}`);
      const folder = `${mediaFolder}/${name}${taken ? `-${found.device.replaceAll(/\W+/g, '-')}` : ''}`;
      await mountFileSystem(found, folder, write);
      mounted.set(found.device, { folder, write });
      return folder;
    },
    unmount,
    clock: () => performance.now(),
    now: () => new Date(),
    wait: (milliseconds, signal) => sleep(milliseconds, undefined, { signal }),
    leaveWord: (next) => writeFile(nextPath, `${next}\n`),
  };
}
