import { isCoded, RemetalError } from '../errors/index.ts';
import { layoutSchema, type Layout } from '../layout/layout.ts';
import type { RecordSource } from '../medium/medium.ts';
import {
  decodeDocument,
  endSchema,
  labelSchema,
  setIdBytes,
  type End,
  type VolumePlace,
} from './documents.ts';
import { GroupIndex } from './map.ts';
import { decodeMap, mapPieceCount, type StoredMap } from './map-record.ts';
import { decodeRecord, plainOf, type StoredRecord } from './record.ts';
import { isDamage, SetSource } from './set-source.ts';
import { smallestRecord } from './tables.ts';
import { setHeadSchema, setTotalsSchema, type SetHead, type SetTotals } from './set.ts';

/** A set found and its describing records read. */
export interface OpenedSet {
  readonly records: SetSource;
  readonly head: SetHead;
  readonly layout: Layout;
  readonly volumes: readonly VolumePlace[];
  readonly totals: SetTotals | null;
  readonly digest: string | null;
}

const salvageHint = 'What is left of it can be read by opening it for salvage.';

/** The record, null where there is none or a damaged one. Throws `set-too-new` and `set-encrypted`. */
async function attempt(read: () => Promise<Buffer | null>): Promise<StoredRecord | RemetalError | null> {
  try {
    const member = await read();
    return member === null ? null : decodeRecord(member);
  } catch (error) {
    if (isCoded(error, 'record-damaged', 'set-truncated', 'part-missing')) return error;
    throw error;
  }
}

function isRecord(found: StoredRecord | RemetalError | null): found is StoredRecord {
  return found !== null && !(found instanceof RemetalError);
}

/** The first and the closing record, as far as they can be read. */
export interface Ends {
  readonly first: StoredRecord | RemetalError | null;
  readonly last: StoredRecord | RemetalError | null;
}

/** Looks at both ends of a set. Throws `not-a-set` when neither is a record of ours. */
export async function lookAtEnds(source: RecordSource, name: string): Promise<Ends> {
  const first = await attempt(async () => {
    await source.seek({ part: 0, offset: 0 });
    return source.next();
  });
  const last = await attempt(() => source.last());
  const torn = first instanceof RemetalError && first.code !== 'record-damaged';
  if (!isRecord(first) && !isRecord(last) && !torn) {
    if (!source.committed) throw unfinished(name);
    throw new RemetalError('not-a-set', `What is called ${name} is not a backup set.`, { facts: { name } });
  }
  return { first, last };
}

/** The id both ends, or the one that can be read, name. */
export function setIdOf({ first, last }: Ends): Buffer | null {
  if (isRecord(last)) return last.header.setId;
  return isRecord(first) ? first.header.setId : null;
}

/** The end record of a complete set. Throws what is wrong with one that is not. */
export async function endOf(source: RecordSource, name: string, { first, last }: Ends): Promise<End> {
  const facts = { name, parts: source.parts };
  const absent = source.missing[0];
  if (absent !== undefined) throw partMissing(name, absent + 1);
  if (!source.committed) throw unfinished(name);
  if (isRecord(last) && last.header.kind === 'more') throw partMissing(name, source.parts + 1);
  if (last instanceof RemetalError && last.code === 'record-damaged') {
    throw new RemetalError('record-damaged', `The record that closes set ${name} is damaged.`, {
      hint: salvageHint,
      facts,
      cause: last,
    });
  }
  if (!isRecord(last) || last.header.kind !== 'end') {
    throw new RemetalError('set-truncated', `Set ${name} ends before its last record.`, {
      hint: salvageHint,
      facts,
    });
  }
  if (isRecord(first) && !first.header.setId.equals(last.header.setId)) {
    throw new RemetalError('record-misplaced', `Set ${name} begins as one set and ends as another.`, {
      facts,
    });
  }
  const bytes = (await plainOf(last)) ?? Buffer.alloc(0);
  const end = decodeDocument(bytes, endSchema, 'end record');
  if (!setIdBytes(end.setId).equals(last.header.setId) || end.parts !== source.parts) {
    throw new RemetalError('record-misplaced', `Set ${name} does not have the parts its end record names.`, {
      facts,
    });
  }
  // Far more records than the bytes there can hold: a number that is not to be counted up to.
  if (end.records > 4 * Math.ceil(source.bytes / smallestRecord) + 1024) {
    throw new RemetalError('record-damaged', `The end record of set ${name} names ${end.records} records.`, {
      facts,
    });
  }
  return end;
}

function unfinished(name: string): RemetalError {
  return new RemetalError('set-incomplete', `The backup that wrote set ${name} did not finish.`, {
    hint: salvageHint,
    facts: { name },
  });
}

function partMissing(name: string, part: number): RemetalError {
  return new RemetalError('part-missing', `Part ${part} of set ${name} is not there.`, {
    hint: 'Bring the part back beside the others, then run the command again.',
    facts: { name, part },
  });
}

/**
 * Opens a set: from its front where the medium is a tape, else by its end record; with `salvage` by scanning
 * where that fails.
 */
export async function openRecords(source: RecordSource, name: string, salvage: boolean): Promise<OpenedSet> {
  if (source.record === undefined) return await openFromEnd(source, name, salvage);
  if (!source.committed && !salvage) throw unfinished(name);
  try {
    return await openFromFront(source, name);
  } catch (error) {
    if (!isDamage(error)) throw error;
    const opened = await openFromEnd(source, name, salvage);
    opened.records.problems.push(error);
    return opened;
  }
}

async function openFromFront(source: RecordSource, name: string): Promise<OpenedSet> {
  const label = await attempt(async () => {
    await source.seek({ part: 0, offset: 0 });
    return source.next();
  });
  if (!isRecord(label)) {
    throw (
      label ??
      new RemetalError('not-a-set', `What is called ${name} is not a backup set.`, { facts: { name } })
    );
  }
  const records = new SetSource(source, label.header.setId);
  await records.readFront();
  try {
    return await describe(records, null, false);
  } finally {
    records.forgetFront();
  }
}

async function openFromEnd(source: RecordSource, name: string, salvage: boolean): Promise<OpenedSet> {
  const ends = await lookAtEnds(source, name);
  let end: End | null = null;
  let reason: unknown = null;
  try {
    end = await endOf(source, name, ends);
  } catch (error) {
    if (!salvage || !(isDamage(error) || isCoded(error, 'set-incomplete'))) throw error;
    reason = error;
  }
  const id = setIdOf(ends);
  if (id === null) throw reason;
  const records = new SetSource(source, end === null ? id : setIdBytes(end.setId));
  if (reason instanceof RemetalError) records.problems.push(reason);
  try {
    if (end === null) await records.scan();
    else await records.follow(end);
  } catch (error) {
    if (!isDamage(error)) throw error;
    records.problems.push(error);
    await records.scan();
  }
  return describe(records, end, salvage);
}

async function describe(records: SetSource, end: End | null, salvage: boolean): Promise<OpenedSet> {
  const head = await readHead(records);
  if (head.encryption !== null) {
    throw new RemetalError('set-encrypted', `Set ${head.name} is encrypted.`, {
      hint: 'Give the key or passphrase of the set.',
    });
  }
  if ((head.kind === 'full') !== (head.chain.length === 0)) {
    throw new RemetalError(
      'record-damaged',
      `The head of set ${head.name} names a chain that does not fit it.`,
      {
        facts: { kind: head.kind, chain: head.chain.length },
      },
    );
  }
  // What was read from the front says nothing of them.
  if (head.maps === 'last' && records.byOrdinal) await records.allContents();
  const layout = await records.first(
    (contents) => contents.layout,
    async (place) => decodeDocument(await records.plainAt(place, 'layout'), layoutSchema, 'layout record'),
  );
  const volumes = await readVolumes(records, { head, layout, end, salvage });
  // From the front they are not known yet, and looking for them would be a journey to the end and back.
  const totals = end === null && records.byOrdinal ? null : await readTotals(records, end);
  return { records, head, layout, volumes, totals, digest: end?.digest ?? null };
}

async function readHead(records: SetSource): Promise<SetHead> {
  try {
    return await records.first(
      (contents) => contents.head,
      async (place) => decodeDocument(await records.plainAt(place, 'head'), setHeadSchema, 'head record'),
    );
  } catch (error) {
    if (!isDamage(error)) throw error;
    for (const place of (await records.scan()).labels) {
      const label = await records.at(place, { ordinal: null, kinds: ['label'] });
      return decodeDocument((await plainOf(label)) ?? Buffer.alloc(0), labelSchema, 'label').head;
    }
    throw error;
  }
}

async function readVolumes(
  records: SetSource,
  {
    head,
    layout,
    end,
    salvage,
  }: {
    readonly head: SetHead;
    readonly layout: Layout;
    readonly end: End | null;
    readonly salvage: boolean;
  },
): Promise<VolumePlace[]> {
  const out: VolumePlace[] = [];
  const numbers = (await records.contents()).volumes.map((volume) => volume.number);
  for (const number of numbers) {
    try {
      const { map, firstOrdinal } = await readMap(records, number);
      if (layout.volumes[number]?.id !== map.volume) {
        throw new RemetalError(
          'record-damaged',
          `Block map ${number} is of a volume that the layout does not have there.`,
        );
      }
      if (end !== null && firstOrdinal + new GroupIndex(map).groupCount > end.records) {
        throw new RemetalError(
          'record-damaged',
          `Block map of ${map.volume} names more records than there are.`,
        );
      }
      if ((map.earlier?.lastLink() ?? 0) > head.chain.length) {
        throw new RemetalError(
          'record-damaged',
          `Block map of ${map.volume} names more sets than the chain has.`,
        );
      }
      out.push({ map, number, firstOrdinal });
    } catch (error) {
      if (!salvage || !isDamage(error)) throw error;
      records.problems.push(error);
    }
  }
  return out;
}

/** The map of a volume from its pieces, a damaged piece from its copy. */
async function readMap(records: SetSource, number: number): Promise<StoredMap> {
  for (;;) {
    const { scanned } = records;
    const volume = (await records.contents()).volumes.find((candidate) => candidate.number === number);
    const pieces = new Map<number, Buffer>();
    let wanted = 1;
    for (const place of [...(volume?.maps ?? []), ...(volume?.copies ?? [])]) {
      if (pieces.size >= wanted) break;
      try {
        const record = await records.at(place, { ordinal: place.ordinal, kinds: ['map'] });
        const plain = (await plainOf(record)) ?? Buffer.alloc(0);
        wanted = mapPieceCount(plain);
        pieces.set(record.header.index, plain);
      } catch (error) {
        if (!isDamage(error)) throw error;
        records.problems.push(error);
      }
    }
    if (pieces.size >= wanted) {
      return decodeMap([...pieces].toSorted(([a], [b]) => a - b).map(([, piece]) => piece));
    }
    if (scanned) throw new RemetalError('record-damaged', `Block map of volume ${number} cannot be read.`);
    await records.scan();
  }
}

/** The totals; null for a set without an end that has none either. */
async function readTotals(records: SetSource, end: End | null): Promise<SetTotals | null> {
  try {
    return await records.first(
      (contents) => contents.totals,
      async (place) =>
        decodeDocument(await records.plainAt(place, 'totals'), setTotalsSchema, 'totals record'),
    );
  } catch (error) {
    if (!isDamage(error)) throw error;
    if (end !== null) records.problems.push(error);
    return null;
  }
}
