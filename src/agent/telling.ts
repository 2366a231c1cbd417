import { exitStatusOf, isCoded } from '../errors/index.ts';
import type { AgentWorld } from './world.ts';

/** Says an error on every console; gives its exit status. */
export function tellError({ console }: Pick<AgentWorld, 'console'>, error: unknown): number {
  const coded = isCoded(error) ? error : null;
  const code = coded?.code ?? 'internal';
  const status = exitStatusOf(code);
  const message = error instanceof Error ? error.message : String(error);
  const open = coded?.facts['questions'];
  const questions = Array.isArray(open) ? open.join(',') : null;
  console.event('error', { code, status, message, hint: coded?.hint, questions });
  console.say(
    [`Error: ${message}`, ...(coded?.hint === undefined ? [] : [coded.hint]), `(${code})`].join('\n'),
  );
  return status;
}
