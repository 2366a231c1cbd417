import type { Extent } from '../bytes/index.ts';
import { checkedInteger, intersect, total } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import { nodeCodec, type Codec } from './codec.ts';
import type { VolumePlace } from './documents.ts';
import type { Chain } from './chain.ts';
import type { MetSums } from './met-sums.ts';
import type { Group, GroupsOptions } from './group.ts';
import { sumOf, sumOfZeros, unpack, type StoredRecord } from './record.ts';
import { isDamage, type SetSource } from './set-source.ts';
import type { VolumeIndex } from './volume-index.ts';

/** Groups read and being decoded ahead of the one handed out. */
const maxAhead = 8;
/** Plain bytes of them. */
const maxBytesAhead = 32 * 1024 * 1024;

/** True when both lists are the same. */
export function sameExtents(a: readonly Extent[], b: readonly Extent[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ start, length }, i) => b[i]!.start === start && b[i]!.length === length)
  );
}

/** Where the groups of a volume come from. */
export interface GroupSource {
  readonly records: SetSource;
  /** Null where the set points into none, or where its chain is left aside. */
  readonly chain: Chain | null;
  readonly volume: VolumePlace;
  readonly index: VolumeIndex;
  /** Checksums of the groups of earlier sets that were read, counted from the first of them. */
  readonly earlierSums: MetSums;
}

/** The groups of a volume, read in order, decoded on the thread pool, handed out in order. */
export async function* readGroups(
  source: GroupSource,
  options: GroupsOptions & { readonly codec?: Codec | null },
): AsyncGenerator<Group, void, undefined> {
  const { records, volume, index } = source;
  const from = checkedInteger(options.from ?? 0, 0, index.groupCount, 'from');
  const to = checkedInteger(options.to ?? index.groupCount, from, index.groupCount, 'to');
  const ahead: { group: Promise<Group>; bytes: number }[] = [];
  let bytes = 0;
  for (let i = from; i < to || ahead.length > 0;) {
    while (i < to && ahead.length < maxAhead && (bytes < maxBytesAhead || ahead.length === 0)) {
      options.signal?.throwIfAborted();
      const extents = index.groupExtents(i);
      const own = i < index.ownGroups;
      const record = own
        ? await fetch(records, volume, index, i, extents)
        : await fetchEarlier(source, i, extents);
      const group = decode(record, i, extents, options.codec);
      if (own) {
        const sum = record instanceof RemetalError ? null : record.header.sum;
        records.sums?.met(volume.firstOrdinal + i, sum);
      }
      // Whoever takes it in its turn meets the failure; until then nobody is missing it.
      group.catch(() => {});
      const length = index.groupLength(i);
      ahead.push({ group, bytes: length });
      bytes += length;
      i++;
    }
    const next = ahead.shift()!;
    bytes -= next.bytes;
    const group = await next.group;
    if (group.index >= index.ownGroups) {
      source.earlierSums.met(group.index - index.ownGroups, group.damage === null ? sumOfGroup(group) : null);
    }
    if (group.damage !== null && options.onDamage === 'stop') throw group.damage;
    yield group;
  }
}

function sumOfGroup({ plain, extents }: Group): Buffer {
  return plain === null ? sumOfZeros(total(extents)) : sumOf(plain);
}

async function decode(
  record: StoredRecord | RemetalError,
  index: number,
  extents: readonly Extent[],
  codec: Codec | null | undefined,
): Promise<Group> {
  if (record instanceof RemetalError) {
    return { index, extents, plain: null, zero: false, damage: record, unreadable: [] };
  }
  const { header } = record;
  try {
    const { plain, release } = await unpack(record, codec ?? nodeCodec);
    const unreadable =
      header.unreadable.length === 0 ? header.unreadable : intersect(header.unreadable, extents);
    if (plain === null || sameExtents(header.extents, extents)) {
      return { index, extents, plain, zero: plain === null, damage: null, unreadable, release };
    }
    const part = gathered(plain, header.extents, extents);
    release();
    return { index, extents, plain: part, zero: false, damage: null, unreadable };
  } catch (error) {
    if (!isDamage(error)) throw error;
    const damage = new RemetalError(error.code, error.message, {
      facts: { ...error.facts, ordinal: header.ordinal, group: index },
      cause: error,
    });
    return { index, extents, plain: null, zero: false, damage, unreadable: [] };
  }
}

/** The record of a group, or what is wrong with it. */
async function fetch(
  records: SetSource,
  volume: VolumePlace,
  index: VolumeIndex,
  i: number,
  extents: readonly Extent[],
): Promise<StoredRecord | RemetalError> {
  const ordinal = volume.firstOrdinal + i;
  const kinds = [index.isControl(i) ? 'control' : 'data'] as const;
  const facts = { volume: volume.map.volume, group: i, ordinal };
  try {
    let record: StoredRecord;
    try {
      record = await records.numbered(ordinal, kinds);
    } catch (error) {
      if (!isDamage(error) || records.scanned || records.byOrdinal) throw error;
      // Another record in this place means that records were moved; damage alone moves nothing.
      if (error.code !== 'record-misplaced' && (await standsAlone(records, ordinal))) throw error;
      await records.scan();
      record = await records.numbered(ordinal, kinds);
    }
    const { header } = record;
    if (header.volume === volume.number && header.index === i && sameExtents(header.extents, extents))
      return record;
    throw new RemetalError('record-misplaced', `Record ${ordinal} does not hold what the block map says.`, {
      facts,
    });
  } catch (error) {
    if (!isDamage(error)) throw error;
    return new RemetalError(error.code, error.message, { facts: { ...error.facts, ...facts }, cause: error });
  }
}

/** The record of an earlier set that holds a group, or what is wrong with it. */
async function fetchEarlier(
  { chain, volume, index }: GroupSource,
  i: number,
  extents: readonly Extent[],
): Promise<StoredRecord | RemetalError> {
  const { link, ordinal } = index.place(i);
  const facts = { volume: volume.map.volume, group: i, link, ordinal };
  if (chain === null) {
    throw new RemetalError('chain-link-missing', 'The earlier sets this one needs were not looked for.', {
      facts,
    });
  }
  try {
    const record = await chain.record(link, ordinal);
    if (total(intersect(record.header.extents, extents)) === total(extents)) return record;
    throw new RemetalError(
      'record-misplaced',
      `Record ${ordinal} of set ${link} of the chain does not hold what the block map says.`,
    );
  } catch (error) {
    if (!isDamage(error)) throw error;
    return new RemetalError(error.code, error.message, { facts: { ...error.facts, ...facts }, cause: error });
  }
}

/** Of bytes that lie at `held`, those at `wanted`, which are among them; both ascending. */
function gathered(plain: Buffer, held: readonly Extent[], wanted: readonly Extent[]): Buffer {
  const out = Buffer.allocUnsafe(total(wanted));
  let to = 0;
  let i = 0;
  let at = 0;
  for (const { start, length } of wanted) {
    for (let done = 0; done < length;) {
      const { start: from, length: of } = held[i]!;
      if (start + done >= from + of) {
        at += of;
        i++;
        continue;
      }
      const inside = start + done - from;
      const take = Math.min(length - done, of - inside);
      plain.copy(out, to, at + inside, at + inside + take);
      to += take;
      done += take;
    }
  }
  return out;
}

/** True when the record after a damaged one is where it should be: then nothing was moved and no scan is needed. */
async function standsAlone(records: SetSource, ordinal: number): Promise<boolean> {
  const place = (await records.places()).get(ordinal + 1);
  if (place === null) return false;
  try {
    await records.at(place, { ordinal: ordinal + 1, kinds: ['control', 'data', 'map', 'head'] });
    return true;
  } catch (error) {
    if (!isDamage(error)) throw error;
    return false;
  }
}
