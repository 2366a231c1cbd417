import { homedir } from 'node:os';
import { join } from 'node:path';

/** The folder this program keeps its state in: REMETAL_STATE, or by the rules of the system and of XDG. */
export function stateFolder(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  user: number | undefined = process.getuid?.(),
): string {
  const { REMETAL_STATE: named, XDG_STATE_HOME: state, HOME: home } = environment;
  if (named !== undefined && named !== '') return named;
  if (user === 0) return '/var/lib/remetal';
  // A relative path there is to be ignored (XDG base directory specification).
  if (state?.startsWith('/') === true) return join(state, 'remetal');
  return join(home ?? homedir(), '.local/state/remetal');
}
