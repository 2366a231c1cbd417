import { RemetalError } from '../errors/index.ts';
import type { Medium } from './medium.ts';

/** How names of sets end that backups give: when they were made. */
const timed = /-\d{8}T\d{6}Z(-\d+)?$/;

/** True for a set of that name, or made of a machine of that name. */
export function answersTo(set: { readonly name: string; readonly machine: string }, wanted: string): boolean {
  return set.name === wanted || set.machine === wanted || set.name.replace(timed, '') === wanted;
}

/** The set of that name on a medium, or the newest whole one of the machine of that name. Throws `not-a-set`. */
export async function setOfName(medium: Medium, wanted: string): Promise<string> {
  const sets = await medium.list();
  if (sets.some(({ name }) => name === wanted)) return wanted;
  const [newest] = sets
    .filter(({ complete, continues }) => complete || continues === true)
    .filter(({ name, made }) => answersTo({ name, machine: made?.name ?? '' }, wanted))
    .map(({ name, made }) => ({ name, at: made?.createdAt ?? timed.exec(name)?.[0] ?? '' }))
    .toSorted((a, b) => (a.at < b.at ? 1 : -1));
  if (newest !== undefined) return newest.name;
  throw new RemetalError('not-a-set', `${medium.name} holds no set ${wanted}.`, {
    hint:
      sets.length === 0 ? 'It holds no set at all.' : `It holds ${sets.map(({ name }) => name).join(', ')}.`,
    facts: { place: medium.name, set: wanted, sets: sets.map(({ name }) => name) },
  });
}
