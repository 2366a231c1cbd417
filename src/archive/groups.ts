import type { Extent } from '../bytes/index.ts';
import { checkedInteger } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import { nodeCodec, type Codec } from './codec.ts';
import type { VolumePlace } from './documents.ts';
import { GroupIndex } from './map.ts';
import type { Group, GroupsOptions } from './reader.ts';
import { unpack, type StoredRecord } from './record.ts';
import { isDamage, type SetSource } from './set-source.ts';

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

/** The groups of a volume, read in order, decoded on the thread pool, handed out in order. */
export async function* readGroups(
  records: SetSource,
  volume: VolumePlace,
  options: GroupsOptions & { readonly codec?: Codec | null },
): AsyncGenerator<Group, void, undefined> {
  const index = new GroupIndex(volume.map);
  const from = checkedInteger(options.from ?? 0, 0, index.groupCount, 'from');
  const to = checkedInteger(options.to ?? index.groupCount, from, index.groupCount, 'to');
  const ahead: { group: Promise<Group>; bytes: number }[] = [];
  let bytes = 0;
  for (let i = from; i < to || ahead.length > 0;) {
    while (i < to && ahead.length < maxAhead && (bytes < maxBytesAhead || ahead.length === 0)) {
      options.signal?.throwIfAborted();
      const extents = index.groupExtents(i);
      const record = await fetch(records, volume, index, i, extents);
      const group = decode(record, i, extents, options.codec);
      const { sums } = records;
      if (sums !== null) {
        const ordinal = volume.firstOrdinal + i;
        sums.met(ordinal, record instanceof RemetalError ? null : record.header.sum);
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
    if (group.damage !== null && options.onDamage === 'stop') throw group.damage;
    yield group;
  }
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
    const { unreadable } = header;
    return { index, extents, plain, zero: plain === null, damage: null, unreadable, release };
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
  index: GroupIndex,
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
