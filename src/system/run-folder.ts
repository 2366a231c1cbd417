import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The folder for what lasts until the machine stops: REMETAL_RUN, or by the rules of the system and of XDG. */
export function runFolder(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  user: number | undefined = process.getuid?.(),
): string {
  const { REMETAL_RUN: named, XDG_RUNTIME_DIR: runtime } = environment;
  if (named !== undefined && named !== '') return named;
  if (user === 0) return '/run/remetal';
  if (runtime?.startsWith('/') === true) return join(runtime, 'remetal');
  return join(tmpdir(), `remetal-${user ?? 'nobody'}`);
}
