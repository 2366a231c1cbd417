import type { Writable } from 'node:stream';
import { hostMachine, runAgent } from '../agent/index.ts';
import { exitStatuses } from '../errors/index.ts';
import { openTerminalInput, openTerminalOutput, shellOn, terminals, type Terminal } from '../system/index.ts';
import { createConsole, type ConsoleTerminal } from './consoles.ts';
import type { Context, Verb } from './context.ts';
import { version } from './version.ts';

const progressEvery = 5000;
const lookEvery = 2000;

export const agentVerb: Verb = (program, act) => {
  program
    .command('agent', { hidden: true })
    .description('run the agent of the appliance on the consoles of this machine')
    .action(act(agent));
};

async function agent(context: Context): Promise<number> {
  const console = createConsole({
    terminals: (await terminals()).map(consoleTerminal),
    clock: () => performance.now(),
    every: progressEvery,
    signal: context.signal,
  });
  try {
    await runAgent({ console, machine: hostMachine(), version, signal: context.signal, lookEvery });
  } finally {
    console.close();
  }
  return exitStatuses.ok;
}

/**
 * A terminal whose stream is opened anew after it failed: a shell that is left hangs up its terminal,
 * and with it every descriptor that was open.
 */
export function consoleTerminal(terminal: Terminal): ConsoleTerminal {
  let stream: (Writable & { readonly columns?: number }) | null = null;
  const open = (): Writable & { readonly columns?: number } => {
    const opened = openTerminalOutput(terminal);
    opened.on('error', () => {
      if (stream === opened) stream = null;
    });
    return opened;
  };
  return {
    name: terminal.name,
    kind: terminal.kind,
    get output() {
      stream ??= open();
      return stream;
    },
    openInput: () => openTerminalInput(terminal),
    async shell(signal) {
      stream?.destroy();
      stream = null;
      await shellOn(terminal, signal);
    },
  };
}
