import { statSync } from 'node:fs';
import { openSet, type SetReader } from '../archive/index.ts';
import { RemetalError } from '../errors/index.ts';
import type { Layout, Volume } from '../layout/index.ts';
import { answersTo, setOfName, type Medium } from '../medium/index.ts';
import { nativeCodec } from '../system/index.ts';
import { usage, type Context } from './context.ts';
import { knownPlaces, type KnownPlace } from './known-places.ts';
import { tellMovements, withChainMedia, type SetOptions } from './place.ts';
import { chosenSet } from './sets.ts';

/** For the argument of a verb that takes such an address. */
export const setAddressText = '[PLACE] SET[/VOLUME]: a set, and a volume of it';

/** The words on addresses in the help of the verbs that take one. */
export const setAddressHelp = `
PLACE is the folder, .tar file or tape drive the set lies in; it may be left out where this machine has backed up to
it, listed or shown it before. SET is the name of a set, or of a machine for its newest set. VOLUME is the name of a
volume, its label or its id as \`remetal show\` prints them; it may be left out where the set holds one file system only.`;

/** An address taken apart. */
export interface SetAddress {
  /** Null where it was left out. */
  readonly place: string | null;
  readonly set: string;
  readonly volume: string | null;
  /** The words behind it. */
  readonly rest: readonly string[];
}

/** Bytes read ahead of who jumps about in a volume: a tape does not stream for him anyway. */
const readingBuffer = 64 * 1024 * 1024;

const tapePattern = /^tape(\+file)?:/;

function isPlace(word: string): boolean {
  if (tapePattern.test(word)) return true;
  const found = statSync(word, { throwIfNoEntry: false });
  return found !== undefined && (found.isDirectory() || word.endsWith('.tar'));
}

/**
 * Takes apart `[PLACE] SET[/VOLUME] [more…]`. The first word is a place where it is a tape, a folder that is there
 * or a .tar file that is there. Throws `usage`.
 */
export function setAddress(words: readonly string[]): SetAddress {
  const [first, ...others] = words;
  if (first === undefined) return usage('No set is named.', 'Write PLACE SET/VOLUME.');
  const place = isPlace(first) ? first : null;
  const [named, ...rest] = place === null ? words : others;
  if (named === undefined) {
    return usage(`${first} is a place, and no set is named.`, `Write ${first} SET/VOLUME.`);
  }
  const slash = named.indexOf('/');
  const set = slash < 0 ? named : named.slice(0, slash);
  const volume = slash < 0 ? null : named.slice(slash + 1).replace(/\/$/, '') || null;
  if (set === '') return usage(`"${named}" names no set.`, 'Write SET/VOLUME.');
  return { place, set, volume, rest };
}

/** The place a set was last seen at. Throws `not-a-set`. */
export async function placeOf(context: Context, set: string): Promise<string> {
  const places = await knownPlaces(context.world.environment);
  const made = (known: KnownPlace): string =>
    known.sets.reduce(
      (newest, each) => (answersTo(each, set) && each.createdAt > newest ? each.createdAt : newest),
      '',
    );
  const [best] = places
    .filter((known) => made(known) !== '')
    .toSorted((a, b) => (made(a) < made(b) ? 1 : -1));
  if (best !== undefined) return best.place;
  throw new RemetalError('not-a-set', `No set ${set} has been seen on this machine.`, {
    hint: 'Name the place it lies in, before its name.',
    facts: { set, places: places.map(({ place }) => place) },
  });
}

/** The name on a medium of the set a person means: its name, or the newest of the machine of that name. */
export async function setNamed(medium: Medium, wanted: string): Promise<string> {
  if (wanted === 'latest') return await chosenSet(medium, undefined);
  return await setOfName(medium, wanted);
}

function namesOf({ id, name, filesystem }: Volume): string[] {
  return [
    id,
    name,
    ...(filesystem?.label ? [filesystem.label] : []),
    ...(filesystem?.uuid ? [filesystem.uuid] : []),
  ];
}

/**
 * The volume of a layout a person means; capitals do not matter. Null means the only one with a file system.
 * Throws `volume-not-found`, and `usage` where several answer.
 */
export function addressedVolume(layout: Layout, set: string, wanted: string | null): Volume {
  const mountable = layout.volumes.filter(({ kind }) => kind !== 'boot' && kind !== 'gap');
  const holding = mountable.filter(
    ({ kind, filesystem }) =>
      kind === 'netware' ||
      (filesystem !== null && filesystem.type !== 'swap' && filesystem.type !== 'unknown'),
  );
  const found =
    wanted === null
      ? holding.length > 0
        ? holding
        : mountable
      : layout.volumes.filter((volume) =>
          namesOf(volume).some((name) => name.toUpperCase() === wanted.toUpperCase()),
        );
  const [only, another] = found;
  const known = holding.map(({ name }) => name);
  if (only === undefined) {
    throw new RemetalError(
      'volume-not-found',
      `The set ${set} holds no volume${wanted === null ? ' with a file system' : ` ${wanted}`}.`,
      {
        hint:
          known.length === 0
            ? 'It holds no volume with a file system that is known.'
            : `It holds ${known.join(', ')}.`,
        facts: { set, volume: wanted, volumes: layout.volumes.map(({ id }) => id) },
      },
    );
  }
  if (another !== undefined) {
    return usage(
      `The set holds ${found.length} volumes${wanted === null ? '' : ` called ${wanted}`}: ${found.map(({ id, name }) => (id === name ? id : `${name} (${id})`)).join(', ')}.`,
      'Name one: SET/VOLUME.',
    );
  }
  return only;
}

/** A set opened by its address. */
export interface AddressedSet {
  readonly reader: SetReader;
  readonly medium: Medium;
  readonly place: string;
  /** As it was named; null where the address names none. */
  readonly volume: string | null;
  readonly rest: readonly string[];
}

/** Opens the set that an address names while `work` runs. Throws what taking it apart and opening throws. */
export async function withAddressedSet<T>(
  context: Context,
  words: readonly string[],
  options: SetOptions,
  work: (at: AddressedSet) => Promise<T>,
): Promise<T> {
  const address = setAddress(words);
  const place = address.place ?? (await placeOf(context, address.set));
  return await withChainMedia(
    context,
    place,
    { buffer: readingBuffer, ...options },
    async (medium, chain) => {
      const name = await setNamed(medium, address.set);
      const reader = await openSet(medium, name, { codec: nativeCodec(), chain });
      try {
        return await work({ reader, medium, place, volume: address.volume, rest: address.rest });
      } finally {
        await reader.close();
        tellMovements(context, medium);
      }
    },
  );
}

/** A volume of a set opened by its address. */
export interface AddressedVolume extends AddressedSet {
  readonly volume: string;
  readonly described: Volume;
}

/** As `withAddressedSet`, for the verbs that need one volume: `volume` is its id in the layout. */
export async function withAddressedVolume<T>(
  context: Context,
  words: readonly string[],
  options: SetOptions,
  work: (at: AddressedVolume) => Promise<T>,
): Promise<T> {
  return await withAddressedSet(context, words, options, async (at) => {
    const described = addressedVolume(at.reader.layout, at.reader.name, at.volume);
    return await work({ ...at, volume: described.id, described });
  });
}
