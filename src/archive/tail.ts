import { normalize, total } from '../bytes/index.ts';
import { nodeCodec } from './codec.ts';
import type { Contents, Place } from './documents.ts';
import { sumOf } from './record.ts';
import type { RecordFields, RecordStream } from './record-stream.ts';
import type { SetHead, SetTotals } from './set.ts';
import { checksumLength } from './structures.ts';
import type { SumTable } from './sum-table.ts';
import type { ChecksumTable } from './tables.ts';
import type { VolumeState } from './volume-states.ts';
import type { Layout } from '../layout/layout.ts';

/** What only the caller knows of a finished backup; everything else the writer counts. */
export interface ClosingFacts {
  /** By volume id: why all sectors were taken; absent or null when the used map was trusted or there is none. */
  readonly wholeBecause: Readonly<Record<string, string | null>>;
  /** By volume id: how its control set was found. */
  readonly control?: Readonly<Record<string, SetTotals['volumes'][number]['control']>>;
  readonly leftOut: SetTotals['leftOut'];
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly notices: SetTotals['notices'];
}

/** Block maps as stored, to be written again. */
export interface MapRecord {
  readonly volume: VolumeState;
  readonly fields: RecordFields;
  readonly payload: Uint8Array;
}

/** The record of a piece of a block map. */
export async function mapRecord(volume: VolumeState, index: number, plain: Buffer): Promise<MapRecord> {
  const packed = (await nodeCodec.compress(plain, 3)).bytes;
  const small = packed.length < plain.length;
  const fields: RecordFields = {
    kind: 'map',
    codec: small ? 'zstd' : 'plain',
    volume: volume.number,
    index,
    plainLength: plain.length,
    sum: sumOf(plain),
  };
  return { volume, fields, payload: small ? Buffer.from(packed) : plain };
}

/** The ordinals of the records that the contents name; where they lie is known when all are on the medium. */
export type Named = Record<
  'head' | 'layout' | 'sums' | 'checksums' | 'exceptions' | 'totals' | 'index',
  number[]
>;

export interface TailRequest {
  readonly head: SetHead;
  readonly layout: Layout;
  readonly pieceLength: number;
  readonly volumes: readonly VolumeState[];
  readonly maps: readonly MapRecord[];
  readonly sums: SumTable;
  readonly checksums: ChecksumTable;
  readonly named: Named;
}

/** Unreadable extents listed in the totals for one volume; the records themselves list all. */
const maxListedExtents = 10_000;

/**
 * Everything behind the data, in the order of docs/format.md. The block maps of an incremental set stand last of
 * what is large, so that they lie near the end that names them.
 */
export async function writeTail(
  stream: RecordStream,
  request: TailRequest,
  facts: ClosingFacts,
): Promise<SetTotals> {
  const { head, layout, pieceLength, named, maps, sums, checksums } = request;
  named.head.push(await stream.document('head', head, true));
  named.layout.push(await stream.document('layout', layout, true));
  for (const { volume, fields, payload } of maps) {
    volume.copies.push((await stream.append({ ...fields, copy: true }, payload)).ordinal);
  }
  await sums.flush();
  for await (const piece of sums.pieces(pieceLength)) named.sums.push(await table(stream, 'sums', piece));
  for (const piece of checksums.pieces()) named.checksums.push(await table(stream, 'checksums', piece));
  named.exceptions.push(await stream.document('exceptions', { format: 1, files: [] }));
  const totals = totalsOf(stream, request, facts);
  named.totals.push(await stream.document('totals', totals));
  if (head.maps === 'last') {
    for (const { volume, fields, payload } of maps) {
      volume.maps.push((await stream.append(fields, payload)).ordinal);
    }
  }
  await stream.settle();
  for (const piece of stream.index(pieceLength)) named.index.push(await table(stream, 'index', piece));
  await stream.settle();
  const contents = await stream.document('contents', contentsOf(stream, request));
  await stream.settle();
  await stream.close({
    format: 1,
    setId: head.setId,
    records: stream.nextOrdinal + 1,
    parts: stream.parts,
    contents: stream.placeOf(contents),
    digest: stream.digest(),
    signature: null,
  });
  return totals;
}

function contentsOf(stream: RecordStream, { head, pieceLength, volumes, named }: TailRequest): Contents {
  const places = (ordinals: readonly number[]): Place[] => ordinals.map((ordinal) => stream.placeOf(ordinal));
  return {
    format: 1,
    setId: head.setId,
    head: places(named.head),
    layout: places(named.layout),
    volumes: volumes.map(({ volume, number, maps, copies, firstOrdinal, groups }) => ({
      volume,
      number,
      maps: places(maps),
      copies: places(copies),
      firstOrdinal,
      groups,
    })),
    sums: places(named.sums),
    sumEntries: pieceLength / checksumLength,
    checksums: places(named.checksums),
    checksumEntries: pieceLength / checksumLength,
    exceptions: places(named.exceptions),
    totals: places(named.totals),
    index: places(named.index),
  };
}

async function table(
  stream: RecordStream,
  kind: 'sums' | 'checksums' | 'index',
  { bytes, firstEntry }: { readonly firstEntry: number; readonly bytes: Buffer },
): Promise<number> {
  const fields = {
    kind,
    codec: 'plain',
    index: firstEntry,
    plainLength: bytes.length,
    sum: sumOf(bytes),
  } as const;
  return (await stream.append(fields, bytes)).ordinal;
}

function totalsOf(stream: RecordStream, request: TailRequest, facts: ClosingFacts): SetTotals {
  const notices = [...facts.notices];
  const volumes = request.volumes.map((volume) => {
    const unreadable = normalize(volume.unreadable);
    if (unreadable.length > maxListedExtents) {
      notices.push({
        code: 'unreadable-list-cut',
        message: `Volume ${volume.volume} has ${unreadable.length} unreadable extents (${total(unreadable)} bytes); the first ${maxListedExtents} are listed here, all of them in the records.`,
      });
    }
    return {
      volume: volume.volume,
      size: volume.size,
      kept: volume.plainBytes,
      zero: volume.zero,
      stored: volume.stored,
      groups: volume.groups,
      ...(volume.earlierBytes === null ? {} : { earlier: volume.earlierBytes }),
      wholeBecause: facts.wholeBecause[volume.volume] ?? null,
      ...controlOf(facts, volume.volume),
      unreadable: unreadable.slice(0, maxListedExtents),
    };
  });
  const { leftOut, startedAt, finishedAt } = facts;
  return { volumes, leftOut: [...leftOut], records: stream.nextOrdinal, startedAt, finishedAt, notices };
}

function controlOf({ control }: ClosingFacts, volume: string): Pick<SetTotals['volumes'][number], 'control'> {
  const found = control?.[volume];
  return found === undefined ? {} : { control: found };
}
