import type { BlockDevice } from '../../disk/block-device.ts';
import { readSectors } from '../fields.ts';
import { warning, type NetwareNotice } from './notice.ts';
import { sectorSize } from './places.ts';

/** What a parser makes of one copy of a structure. */
export type Parsed<T> =
  | {
      readonly value: T;
      /** What is wrong with what it says; such a copy only counts where no other is free of doubt. */
      readonly doubt: string | null;
    }
  | {
      readonly fault: string;
      /** The stamp is there, so that this is a damaged copy and not something else. */
      readonly stamped: boolean;
    };

/** A copy and where it was looked for, sectors of the device. */
export interface Copy<T> {
  readonly sector: number;
  readonly parsed: Parsed<T>;
}

/** How a structure that is kept several times was read. */
export interface Election<T> {
  readonly value: T;
  readonly doubt: string | null;
  readonly notices: readonly NetwareNotice[];
}

/** Reads and parses a one-sector structure at each of `places`; what cannot be read is a faulty copy. */
export async function readCopies<T>(
  device: BlockDevice,
  places: readonly number[],
  parse: (sector: Buffer) => Parsed<T>,
): Promise<Copy<T>[]> {
  const copies: Copy<T>[] = [];
  for (const sector of places) {
    copies.push({ sector, parsed: await readCopy(device, sector, parse) });
  }
  return copies;
}

async function readCopy<T>(
  device: BlockDevice,
  sector: number,
  parse: (sector: Buffer) => Parsed<T>,
): Promise<Parsed<T>> {
  if ((sector + 1) * sectorSize > device.size) return { fault: 'lies beyond the end', stamped: false };
  const bytes = await readSectors(device, sector, 1);
  return bytes === null ? { fault: 'cannot be read', stamped: false } : parse(bytes);
}

/**
 * Takes the value most copies agree on and says which others there are. Copies that raise no doubt go
 * before those that do. A tie goes to the one of the later `age`, then to the earlier copy, since a
 * writer begins with the first. Null where no copy can be believed.
 *
 * @param what The structure in words: `the hotfix header`.
 * @param key The same for two values that say the same.
 */
export function elect<T>(
  copies: readonly Copy<T>[],
  options: { what: string; key: (value: T) => string; age?: (value: T) => number },
): Election<T> | null {
  const { what, key, age = () => 0 } = options;
  const groups = new Map<string, { value: T; doubt: string | null; sectors: number[] }>();
  for (const { sector, parsed } of copies) {
    if (!('value' in parsed)) continue;
    // Two copies may say the same and one of them be doubtful for what the value does not hold.
    const name = `${parsed.doubt === null} ${key(parsed.value)}`;
    const group = groups.get(name) ?? { value: parsed.value, doubt: parsed.doubt, sectors: [] };
    group.sectors.push(sector);
    groups.set(name, group);
  }
  const ranked = [...groups.values()].toSorted(
    (a, b) =>
      Number(a.doubt !== null) - Number(b.doubt !== null) ||
      b.sectors.length - a.sectors.length ||
      age(b.value) - age(a.value) ||
      a.sectors[0]! - b.sectors[0]!,
  );
  const [winner, second] = ranked;
  if (winner === undefined) return null;
  const notices = copies
    .filter(({ sector }) => !winner.sectors.includes(sector))
    .map(({ sector, parsed }) => outvoted(what, sector, parsed, winner.sectors));
  const rivals =
    second !== undefined &&
    (second.doubt === null) === (winner.doubt === null) &&
    second.sectors.length === winner.sectors.length;
  if (rivals) {
    const newer = age(winner.value) > age(second.value);
    notices.push(
      warning(
        'netware-copies-tied',
        `As many copies of ${what} say one thing (sectors ${winner.sectors.join(', ')}) as another (sectors ${second.sectors.join(', ')}); ${newer ? 'the newer one' : 'the one that is written first'} was taken.`,
        { what, taken: winner.sectors, other: second.sectors },
      ),
    );
  }
  return { value: winner.value, doubt: winner.doubt, notices };
}

function outvoted(
  what: string,
  sector: number,
  parsed: Parsed<unknown>,
  winners: readonly number[],
): NetwareNotice {
  const why =
    'fault' in parsed ? parsed.fault : (parsed.doubt ?? `says something else than ${winners.length} of them`);
  return warning('netware-copy-damaged', `The copy of ${what} at sector ${sector} was outvoted: it ${why}.`, {
    what,
    sector,
    why,
    taken: winners,
  });
}

/** The faults of all copies in one sentence, for the error when none can be believed. */
export function faultsOf(copies: readonly Copy<unknown>[]): string {
  return copies
    .map(({ sector, parsed }) => `sector ${sector} ${'fault' in parsed ? parsed.fault : 'is sound'}`)
    .join('; ');
}

/** True when some copy at least carries its stamp. */
export function isStamped(copies: readonly Copy<unknown>[]): boolean {
  return copies.some(({ parsed }) => 'value' in parsed || parsed.stamped);
}
