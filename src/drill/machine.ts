import { constants } from 'node:fs';
import { access, copyFile, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { RemetalError } from '../errors/index.ts';
import { startProgram, type ProgramEnd } from '../system/index.ts';
import { screenAddress, screenBytes, screenText, withoutEscapes } from './console-text.ts';
import { openControl } from './control.ts';
import { emulatorArguments, type Hardware } from './hardware.ts';

const emulator = 'qemu-system-x86_64';

/** Code and variables of OVMF, the UEFI of virtual machines, where distributions put them. */
const firmwares: readonly (readonly [code: string, variables: string])[] = [
  ['/usr/share/OVMF/OVMF_CODE_4M.fd', '/usr/share/OVMF/OVMF_VARS_4M.fd'],
  ['/usr/share/OVMF/OVMF_CODE.fd', '/usr/share/OVMF/OVMF_VARS.fd'],
  ['/usr/share/edk2/ovmf/OVMF_CODE.fd', '/usr/share/edk2/ovmf/OVMF_VARS.fd'],
  ['/usr/share/edk2/x64/OVMF_CODE.4m.fd', '/usr/share/edk2/x64/OVMF_VARS.4m.fd'],
  ['/usr/share/qemu/ovmf-x86_64-code.bin', '/usr/share/qemu/ovmf-x86_64-vars.bin'],
];

async function readable(path: string): Promise<boolean> {
  return await access(path, constants.R_OK).then(
    () => true,
    () => false,
  );
}

/**
 * A UEFI for one machine: its variables are a file of its own in `folder`, new unless they are there.
 *
 * @throws `program-missing`
 */
export async function uefiFor(folder: string): Promise<{ code: string; variables: string }> {
  const variables = join(folder, 'variables.fd');
  for (const [code, template] of firmwares) {
    if (!(await readable(code)) || !(await readable(template))) continue;
    if (!(await readable(variables))) await copyFile(template, variables);
    return { code, variables };
  }
  throw new RemetalError('program-missing', 'The UEFI firmware for virtual machines is not installed', {
    hint: 'Install the package that has it: on Debian, apt-get install ovmf.',
    facts: { program: 'ovmf', looked: firmwares.map(([code]) => code) },
  });
}

export interface MachineOptions {
  readonly hardware: Omit<Hardware, 'control' | 'pflash'>;
  /** For the control channel and the firmware's variables; short, since a socket lies in it. */
  readonly folder: string;
  /** Hears every piece of text of the serial line, without escapes. */
  readonly onSerial?: (text: string) => void;
}

/** A machine that runs. */
export interface Machine {
  /** All that came on the serial line so far, without escapes. */
  readonly serial: string;
  /** Times the guest has reset the machine. */
  readonly resets: number;
  /** True when the guest has switched it off. */
  readonly off: boolean;
  /** Null while it runs. */
  readonly ended: ProgramEnd | null;
  /** What a screen in text mode shows; null in graphics, and where it cannot be asked. */
  screen(): Promise<string | null>;
  /** The screen as a PNG; null where it cannot be asked. */
  screenshot(): Promise<Buffer | null>;
  /** Resolves when the emulator has ended. */
  readonly stopped: Promise<ProgramEnd>;
  /** Takes the power away and resolves when it is gone. */
  cutPower(): Promise<void>;
}

/** Characters of the serial line that are kept; a log of a machine that says the same for ever ends there. */
const mostSerial = 8 * 1024 * 1024;

/** Starts a machine. Throws `program-missing`, `program-failed`. */
export async function startMachine({ hardware, folder, onSerial }: MachineOptions): Promise<Machine> {
  const control = join(folder, 'control');
  await rm(control, { force: true });
  const pflash = hardware.firmware === 'uefi' ? await uefiFor(folder) : null;
  const program = await startProgram(emulator, emulatorArguments({ ...hardware, control, pflash }));
  const state = { serial: '', resets: 0, off: false, ended: null as ProgramEnd | null };
  let cut = '';
  program.stdout.setEncoding('latin1');
  program.stdout.on('data', (piece: string) => {
    const all = cut + piece;
    // An escape sequence that was cut in two is completed by what comes next.
    const last = all.lastIndexOf('\u001b');
    const end = last >= 0 && all.length - last < 12 ? last : all.length;
    cut = all.slice(end);
    const text = withoutEscapes(all.slice(0, end));
    if (state.serial.length < mostSerial) state.serial += text;
    onSerial?.(text);
  });
  const stopped = program.ended.then((end) => {
    state.ended = end;
    return end;
  });
  const early = stopped.then(({ stderr }) => {
    const hint = `It said: ${stderr === '' ? 'nothing' : stderr}`;
    throw new RemetalError('program-failed', 'The emulator ended at its start', { hint });
  });
  early.catch(() => {});
  const opening = openControl(control, (name, data) => {
    if (name === 'RESET' && data['guest'] === true) state.resets++;
    if (name === 'SHUTDOWN' && data['guest'] === true) state.off = true;
  });
  opening.catch(() => {});
  let channel;
  try {
    channel = await Promise.race([opening, early]);
  } catch (error) {
    await program.kill();
    throw error;
  }
  /* What the emulator writes into a file of ours; null where it does not. */
  const dumped = async (name: string, args: Record<string, unknown>): Promise<Buffer | null> => {
    const filename = join(folder, name);
    try {
      await channel.command(name, { ...args, filename });
      return await readFile(filename);
    } catch {
      return null;
    } finally {
      await rm(filename, { force: true });
    }
  };
  return {
    get serial() {
      return state.serial;
    },
    get resets() {
      return state.resets;
    },
    get off() {
      return state.off;
    },
    get ended() {
      return state.ended;
    },
    async screen() {
      const memory = await dumped('pmemsave', { val: screenAddress, size: screenBytes });
      return memory === null ? null : screenText(memory);
    },
    screenshot: () => dumped('screendump', { format: 'png' }),
    stopped,
    async cutPower() {
      channel.close();
      await program.kill();
    },
  };
}
