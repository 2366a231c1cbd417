import { openSet, type SetReader } from '../archive/index.ts';
import { RemetalError } from '../errors/index.ts';
import type { Medium } from '../medium/index.ts';
import { nativeCodec } from '../system/index.ts';
import type { Context } from './context.ts';
import { tellMovements, withChainMedia, type SetOptions } from './place.ts';

/**
 * The name of the set a command means: the one named, or the newest complete one. Throws `not-a-set`
 * where the medium holds none, `set-incomplete` where it holds only unfinished ones.
 */
export async function chosenSet(medium: Medium, named: string | undefined): Promise<string> {
  if (named !== undefined && named !== 'latest') return named;
  const sets = await medium.list();
  // Of what goes on elsewhere the rest is asked for when it is needed.
  const complete = sets.filter((set) => set.complete || set.continues === true);
  if (sets.length === 0) {
    throw new RemetalError('not-a-set', `${medium.name} holds no backup set.`, {
      hint: 'Name the folder that `remetal backup --to` wrote to.',
      facts: { place: medium.name },
    });
  }
  if (complete.length === 0) {
    throw new RemetalError('set-incomplete', `${medium.name} holds only backups that did not finish.`, {
      hint: 'Back up again.',
      facts: { place: medium.name, sets: sets.map(({ name }) => name) },
    });
  }
  if (complete.length === 1) return complete[0]!.name;
  let newest: { name: string; createdAt: string } | undefined;
  for (const { name, made } of complete) {
    const createdAt = made?.createdAt ?? (await createdAtOf(medium, name));
    if (newest === undefined || createdAt > newest.createdAt) newest = { name, createdAt };
  }
  return newest!.name;
}

async function createdAtOf(medium: Medium, name: string): Promise<string> {
  const set = await openSet(medium, name, { chain: 'leave' });
  await set.close();
  return set.head.createdAt;
}

/** Opens the set a command means while `work` runs. */
export async function withSet<T>(
  context: Context,
  { place, chain, ...options }: SetOptions & { readonly place: string; readonly chain?: 'leave' },
  named: string | undefined,
  work: (set: SetReader, medium: Medium) => Promise<T>,
): Promise<T> {
  return await withChainMedia(context, place, options, async (medium, media) => {
    const name = await chosenSet(medium, named);
    const set = await openSet(medium, name, { codec: nativeCodec(), chain: chain ?? media });
    try {
      return await work(set, medium);
    } finally {
      await set.close();
      tellMovements(context, medium);
    }
  });
}
