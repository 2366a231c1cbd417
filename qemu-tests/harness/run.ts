import { execa } from 'execa';

/** Runs a program of the host and returns what it printed; its words are in the error when it fails. */
export async function run(program: string, args: readonly string[], input?: string): Promise<string> {
  const { stdout } = await execa(program, args, {
    ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
    env: { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C', TZ: 'UTC' },
  });
  return stdout;
}
