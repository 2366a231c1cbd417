import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { SerialConsole } from './console.ts';
import { directBootArguments, type DirectBoot } from './direct-boot.ts';
import { driveArguments, opticalDrive, type Drive } from './drives.ts';
import { firmwareArguments, type Firmware } from './firmware.ts';
import { patient } from './patience.ts';
import { QmpChannel } from './qmp.ts';
import { tapeArguments, type TapeUnit } from './tape-units.ts';

export interface MachineOptions {
  /** Names the log and the screenshots of this run of the machine: `restore`, `restored-server`. */
  readonly name: string;
  /** Where log and screenshots go. */
  readonly logs: string;
  /** Where the sockets and the firmware's variables live. */
  readonly scratch: string;
  readonly firmware: Firmware;
  readonly drives: readonly Drive[];
  /** The kernel to start, where it comes from no drive. */
  readonly direct?: DirectBoot;
  /** Tape drives and changers, in the order the guest meets them. */
  readonly tape?: readonly TapeUnit[];
  /** Chassis asset tag; the server under test takes its orders from it. */
  readonly assetTag?: string;
  /** The machine is killed when it runs longer than this. */
  readonly seconds: number;
  readonly memoryMiB?: number;
  /** A reset the guest asks for goes on in this machine; otherwise it ends it, as a power-off does. */
  readonly reboots?: boolean;
}

function argumentsOf(options: MachineOptions, control: string): string[] {
  // The oldest 64-bit processor: programs choose their code by what it has, and emulated vector instructions are so
  // slow that with all there are (`max`) a restore takes a sixth longer and the start of a server two thirds. Random
  // numbers it has, though: without them the first programs of a server wait for minutes.
  // One line an aspect: the emulator, the processor, what the firmware tells the guest, the lines to us.
  const words = [
    `-nodefaults -no-user-config ${options.reboots ? '' : '-no-reboot '}-display none -vga std -device virtio-rng-pci`,
    `-accel tcg,thread=multi -cpu qemu64,+rdrand,+rdseed -smp 2 -m ${options.memoryMiB ?? 2048}`,
    `-smbios type=1,manufacturer=Remetal,product=Rig -smbios type=3,asset=${options.assetTag ?? 'none'}`,
    '-serial stdio',
  ];
  return [
    ...words.flatMap((line) => line.split(' ')),
    '-qmp',
    `unix:${control},server=on,wait=off`,
    ...firmwareArguments(options.firmware, join(options.scratch, 'variables.fd')),
    ...directBootArguments(options.direct),
    ...driveArguments(options.drives),
    ...tapeArguments(options.tape ?? []),
  ];
}

/* A guest that ejects its disc opens the tray, and a reset would close it again: somebody takes the disc. */
function takeDisc(name: string, data: Readonly<Record<string, unknown>>, channel: QmpChannel): void {
  if (name !== 'DEVICE_TRAY_MOVED' || data['tray-open'] !== true) return;
  channel.command('eject', { id: opticalDrive }).catch(() => {});
}

const alive = new Set<() => void>();

/** Takes the power from every machine that still runs. */
export function cutAllPower(): void {
  for (const kill of alive) kill();
}

// A run that is broken off leaves no machine behind.
process.once('exit', cutAllPower);

/** A machine that runs. */
export class Machine {
  readonly console: SerialConsole;
  readonly #child: ChildProcess;
  readonly #qmp: QmpChannel;
  readonly #options: MachineOptions;
  readonly #exited: Promise<void>;
  #running = true;

  private constructor(options: MachineOptions, child: ChildProcess, console: SerialConsole, qmp: QmpChannel) {
    this.#options = options;
    this.#child = child;
    this.#qmp = qmp;
    this.console = console;
    const kill = (): void => void child.kill('SIGKILL');
    alive.add(kill);
    const overtime = setTimeout(() => {
      console.end(new Error(`The machine "${options.name}" was stopped after ${options.seconds} s.`));
      child.kill('SIGKILL');
    }, patient(options.seconds));
    this.#exited = new Promise((resolve) => {
      child.once('exit', (status, signal) => {
        this.#running = false;
        clearTimeout(overtime);
        alive.delete(kill);
        qmp.close();
        // What QEMU wrote last may still be in the pipe.
        setTimeout(() => {
          console.end(new Error(`The machine "${options.name}" has stopped (${signal ?? status}).`));
          resolve();
        }, 50);
      });
    });
  }

  /**
   * Starts a machine: two processors, all devices named by `options` and nothing else, its serial line
   * on our pipes. A reset asked for by the guest ends QEMU unless `reboots` is set, so that the next
   * start can be another machine: the boot medium taken out, other orders in the asset tag.
   */
  static async start(options: MachineOptions): Promise<Machine> {
    mkdirSync(options.logs, { recursive: true });
    mkdirSync(options.scratch, { recursive: true });
    const control = join(options.scratch, `${options.name}.qmp`);
    const child = spawn('qemu-system-x86_64', argumentsOf(options, control));
    let complaints = '';
    child.stderr.on('data', (text: Buffer) => (complaints += text.toString()));
    // A guest that has stopped reads no more; that is no error of ours.
    child.stdin.on('error', () => {});
    const console = new SerialConsole(child.stdout, child.stdin, join(options.logs, `${options.name}.log`));
    const early = new Promise<never>((_, reject) => {
      child.once('exit', () => reject(new Error(`QEMU ended at its start: ${complaints.trim()}`)));
      child.once('error', reject);
    });
    early.catch(() => {});
    const qmp = await Promise.race([QmpChannel.open(control, takeDisc), early]);
    return new Machine(options, child, console, qmp);
  }

  get running(): boolean {
    return this.#running;
  }

  /** Keeps the screen as a PNG beside the log; a machine that has stopped has none. */
  async screenshot(title: string): Promise<void> {
    if (!this.#running) return;
    const filename = join(this.#options.logs, `${this.#options.name}-${title}.png`);
    await this.#qmp.command('screendump', { filename, format: 'png' }).catch(() => {});
  }

  /** Waits until the guest has powered off or reset. */
  async stopped(seconds: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const overtime = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`The machine "${this.#options.name}" did not stop within ${seconds} s.`)),
        patient(seconds),
      );
    });
    try {
      await Promise.race([this.#exited, overtime]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Takes the power away: QEMU dies at once, and with it everything the guest had not written. */
  async cutPower(): Promise<void> {
    if (this.#running) this.#child.kill('SIGKILL');
    await this.#exited;
  }
}

/**
 * Starts a machine, does `work` with it and makes sure that it is gone afterwards. The screen is kept
 * at the end and when `work` fails.
 */
export async function withMachine<T>(
  options: MachineOptions,
  work: (machine: Machine) => Promise<T>,
): Promise<T> {
  const machine = await Machine.start(options);
  try {
    const result = await work(machine);
    await machine.screenshot('end');
    return result;
  } catch (error) {
    await machine.screenshot('failure');
    throw error;
  } finally {
    await machine.cutPower();
  }
}
