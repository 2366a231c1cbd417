/**
 * cli/: the command line, one file per verb; the only place that prompts, draws, prints and sets the
 * exit status. This file is the entry of the program and, bundled, of the single executable.
 */
import { Interruption } from './outcome.ts';
import { runProgram } from './program.ts';

const interruption = new AbortController();
let asked = false;
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    // The second one means it: what is in flight is left as a power cut would leave it.
    if (asked) process.exit(name === 'SIGINT' ? 130 : 143);
    asked = true;
    interruption.abort(new Interruption(name));
  });
}

// A reader that has seen enough (`remetal plan … | head`) is no failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

const status = await runProgram(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  environment: process.env,
  signal: interruption.signal,
});
process.exitCode = status;
