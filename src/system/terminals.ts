import { spawn } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { ReadStream, WriteStream } from 'node:tty';
import { programEnvironment } from './run.ts';

/** A console of the machine: the screen with its keyboard, or a serial line. */
export interface Terminal {
  /** `tty1`, `ttyS0`. */
  readonly name: string;
  readonly path: string;
  readonly kind: 'screen' | 'serial';
}

/**
 * The consoles a person may sit at: those the kernel speaks to, and the screen in any case. Other
 * serial lines are left alone: what hangs on them may be no person.
 */
export async function terminals(): Promise<Terminal[]> {
  const active = await text('/sys/class/tty/console/active');
  // tty0 is whichever screen is shown; a shell can only have one that stays.
  const names = active
    .trim()
    .split(/\s+/)
    .filter((name) => name !== '')
    .map((name) => (name === 'tty0' ? 'tty1' : name));
  if (await usable('/dev/tty1')) names.unshift('tty1');
  const found: Terminal[] = [];
  for (const name of new Set(names)) {
    const path = `/dev/${name}`;
    if (await usable(path)) found.push({ name, path, kind: /^tty\d/.test(name) ? 'screen' : 'serial' });
  }
  return found;
}

/** A stream that writes to a terminal. A line nobody listens on never blocks. */
export function openTerminalOutput(terminal: Terminal): WriteStream {
  return new WriteStream(
    openSync(terminal.path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK),
  );
}

/** A stream of what is typed on a terminal; closing it gives the terminal to whoever comes next. */
export function openTerminalInput(terminal: Terminal): ReadStream {
  return new ReadStream(
    openSync(terminal.path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK),
  );
}

/** Runs a shell on a terminal until it is left. */
export async function shellOn(terminal: Terminal, signal?: AbortSignal): Promise<void> {
  const descriptor = openSync(terminal.path, constants.O_RDWR | constants.O_NOCTTY);
  try {
    // With a session of its own the shell has job control and Ctrl-C reaches what it runs, not us.
    const shell = spawn('setsid', ['-c', 'sh', '-l'], {
      stdio: [descriptor, descriptor, descriptor],
      env: programEnvironment({ PS1: 'remetal# ' }),
      ...(signal === undefined ? {} : { signal }),
    });
    await new Promise<void>((resolve, reject) => {
      shell.once('exit', () => resolve());
      shell.once('error', (error) => (signal?.aborted === true ? resolve() : reject(error)));
    });
  } finally {
    closeSync(descriptor);
  }
}

async function usable(path: string): Promise<boolean> {
  return access(path, constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
}

async function text(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}
