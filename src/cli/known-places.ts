import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { systemCode } from '../errors/index.ts';
import { stateFolder, withFileLock } from '../system/index.ts';

const schema = z.object({
  version: z.literal(1),
  /** The one used last stands first. */
  places: z.array(
    z.object({
      place: z.string(),
      sets: z.array(z.object({ name: z.string(), machine: z.string(), createdAt: z.string() })),
    }),
  ),
});

/** A place that was used, with what was seen there. */
export type KnownPlace = z.infer<typeof schema>['places'][number];

const mostPlaces = 100;

type Environment = Readonly<Record<string, string | undefined>>;

const fileOf = (environment: Environment): string => join(stateFolder(environment), 'places.json');

/** The places this program has used, the latest first; none where nothing was kept or the file cannot be read. */
export async function knownPlaces(environment: Environment): Promise<readonly KnownPlace[]> {
  try {
    const found = schema.safeParse(JSON.parse(await readFile(fileOf(environment), 'utf8')));
    return found.success ? found.data.places : [];
  } catch (error) {
    if (error instanceof SyntaxError || systemCode(error) !== undefined) return [];
    throw error;
  }
}

/** A place in the form that holds in whatever folder the next command runs. */
export function absolutePlace(place: string): string {
  const scheme = /^[a-z]+\+file:/.exec(place)?.[0];
  if (scheme !== undefined) return scheme + resolve(place.slice(scheme.length));
  return /^[a-z]+:/.test(place) ? place : resolve(place);
}

/**
 * Keeps that a place was used and which sets it holds, so that a set can be named without its place. Comfort
 * only: where it cannot be kept the command goes on as if nothing were.
 */
export async function rememberPlace(
  environment: Environment,
  place: string,
  sets: KnownPlace['sets'],
  whole: boolean,
): Promise<void> {
  const file = fileOf(environment);
  try {
    await mkdir(stateFolder(environment), { recursive: true });
    // Two commands that end at the same time both want to add to what the other would not have seen.
    await withFileLock(`${file}.lock`, async () => {
      const before = await knownPlaces(environment);
      await replace(file, withPlace(before, absolutePlace(place), sets, whole));
    });
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
  }
}

function withPlace(
  before: readonly KnownPlace[],
  place: string,
  sets: KnownPlace['sets'],
  whole: boolean,
): KnownPlace[] {
  const old = before.find((known) => known.place === place)?.sets ?? [];
  const kept = whole ? [] : old.filter(({ name }) => sets.every((set) => set.name !== name));
  const others = before.filter((known) => known.place !== place);
  return [{ place, sets: [...kept, ...sets] }, ...others].slice(0, mostPlaces);
}

async function replace(file: string, places: KnownPlace[]): Promise<void> {
  const document: z.infer<typeof schema> = { version: 1, places };
  const fresh = `${file}.${randomUUID()}`;
  try {
    await writeFile(fresh, `${JSON.stringify(document, null, 2)}\n`);
    await rename(fresh, file);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
}
