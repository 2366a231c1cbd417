import { openSet, type ChainLink, type SetHead } from '../archive/index.ts';
import { formatBytes } from '../bytes/index.ts';
import { lastDrill, type KeptProof } from '../drill/index.ts';
import { isCoded, RemetalError } from '../errors/index.ts';
import type { Medium, SetOnMedium } from '../medium/index.ts';
import type { Context, Verb } from './context.ts';
import { rememberPlace } from './known-places.ts';
import { addTapeOptions, mediumAt, placeText, type TapeOptions } from './place.ts';
import { stateFolder } from '../system/index.ts';
import { shown, table } from './table.ts';

export const listVerb: Verb = (program, act) => {
  addTapeOptions(
    program.command('list').description('list the backup sets on a medium').argument('<place>', placeText),
  ).action(act(list));
};

async function list(context: Context, place: string, options: TapeOptions): Promise<void> {
  const medium = mediumAt(context, place, options);
  try {
    const state = stateFolder(context.world.environment);
    const sets = await Promise.all(
      (await medium.list()).map(async (set) => {
        const listed = await withHead(medium, set);
        return { ...listed, drill: await lastDrill(place, listed, state) };
      }),
    );
    if (sets.length === 0) {
      throw new RemetalError('not-a-set', `${place} holds no backup set.`, {
        hint: 'Name the folder that `remetal backup --to` wrote to.',
        facts: { place },
      });
    }
    const seen = sets.flatMap(({ name, machine, createdAt }) =>
      machine === null || createdAt === null ? [] : [{ name, machine, createdAt }],
    );
    await rememberPlace(context.world.environment, place, seen, true);
    const rows = sets.map((set) => [
      set.name,
      shown(set.machine ?? '-'),
      set.createdAt ?? '-',
      set.bytes === null ? '-' : formatBytes(set.bytes),
      String(set.parts),
      stateOf(set),
      needsOf(set, sets),
      drillText(set.drill),
    ]);
    context.output.result(
      { verb: 'list', place, sets },
      table(['set', 'machine', 'made', 'size', 'parts', 'state', 'needs', 'last drill'], rows),
    );
  } finally {
    await medium.close();
  }
}

/** When its machine was last started in a virtual one, and what came of it. */
function drillText(drill: KeptProof | null): string {
  if (drill === null) return '-';
  return `${drill.verdict === 'passed' ? 'passed' : `failed: ${drill.failure?.code ?? ''}`} ${drill.at}`;
}

/** So many are named one by one; of a longer chain the first and the last. */
const mostNamed = 2;

/** The earlier sets it points into; the ones that are not here or not those that were meant are always named. */
function needsOf({ chain }: Listed, sets: readonly Listed[]): string {
  if (chain === null) return '-';
  if (chain.length === 0) return 'nothing';
  const links = chain.map(({ name, setId }) => {
    const found = sets.find((set) => set.name === name);
    if (found === undefined) return { name, lack: 'not here' };
    return { name, lack: found.setId !== null && found.setId !== setId ? 'another set' : null };
  });
  const lacking = links.flatMap(({ name, lack }) => (lack === null ? [] : [`${name} (${lack})`]));
  const all =
    links.length <= mostNamed
      ? links.filter(({ lack }) => lack === null).map(({ name }) => name)
      : [`${links[0]!.name} to ${links.at(-1)!.name} (${links.length} sets)`];
  return [...all, ...lacking].join(', ');
}

function stateOf({ complete, continues, problem }: Listed): string {
  if (complete) return problem ?? 'complete';
  return continues === true ? 'goes on elsewhere' : 'not complete';
}

interface Listed extends SetOnMedium {
  readonly machine: string | null;
  readonly createdAt: string | null;
  readonly setId: string | null;
  readonly kind: SetHead['kind'] | null;
  /** The earlier sets it needs, oldest first; null where the set was not opened. */
  readonly chain: readonly Pick<ChainLink, 'setId' | 'name'>[] | null;
  readonly problem: string | null;
}

async function withHead(medium: Medium, set: SetOnMedium): Promise<Listed> {
  const unread = {
    ...set,
    machine: null,
    createdAt: null,
    setId: null,
    kind: null,
    chain: null,
    problem: null,
  };
  if (set.made !== undefined) {
    const { name, createdAt, setId, chain } = set.made;
    const kind = chain.length === 0 ? 'full' : 'incremental';
    return { ...unread, machine: name, createdAt, setId, kind, chain };
  }
  if (!set.complete) return unread;
  try {
    const reader = await openSet(medium, set.name, { chain: 'leave' });
    await reader.close();
    const { name, createdAt, setId, kind, chain } = reader.head;
    return { ...unread, machine: name, createdAt, setId, kind, chain };
  } catch (error) {
    if (isCoded(error)) return { ...unread, problem: error.code };
    throw error;
  }
}
