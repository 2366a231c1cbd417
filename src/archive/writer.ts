import { normalize, total, type Extent } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import type { Layout } from '../layout/layout.ts';
import type { Buffering, Medium } from '../medium/medium.ts';
import type { BufferReport } from '../progress/index.ts';
import { nodeCodec, type Codec } from './codec.ts';
import type { Contents, Place } from './documents.ts';
import { GroupPipeline } from './group-pipeline.ts';
import { GroupIndex } from './map.ts';
import { sumOf } from './record.ts';
import { RecordStream, type RecordFields } from './record-stream.ts';
import type { SetHead, SetTotals, VolumeMap } from './set.ts';
import { recordSizes } from './sizes.ts';
import { checksumLength } from './structures.ts';
import { ChecksumTable } from './tables.ts';
import { placeVolumes, type VolumeState } from './volume-states.ts';

export interface SetRequest {
  readonly head: SetHead;
  readonly layout: Layout;
  /** The maps of all volumes, in the order in which `beginVolume` will follow; each is asked for once and let go. */
  readonly maps: Iterable<VolumeMap>;
  /** zstd level, 1 by default; 0 stores plain. */
  readonly level: number;
  /** Name of the set on its medium. */
  readonly name: string;
  /** Hashes and compresses the groups; what Node has when absent or null. */
  readonly codec?: Codec | null;
  /** Plain bytes of all groups, about: a buffer need not be larger. */
  readonly expectedBytes?: number;
}

export interface GroupOptions {
  /** Byte extents of the volume, inside the group, that could not be read and are zeros here. */
  readonly unreadable?: readonly Extent[];
  /** Called once the plain buffer is no longer needed; until then its bytes must not change. */
  readonly release?: () => void;
}

/** What only the caller knows of a finished backup; everything else the writer counts. */
export interface ClosingFacts {
  /** By volume id: why all sectors were taken; absent or null when the used map was trusted or there is none. */
  readonly wholeBecause: Readonly<Record<string, string | null>>;
  readonly leftOut: SetTotals['leftOut'];
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly notices: SetTotals['notices'];
}

/** Writes one set, strictly in order. Any call that throws leaves only `abort` to be called. */
export interface SetWriter {
  /** Bytes given to the medium so far. */
  readonly storedBytes: number;
  /** How full the buffer before the medium is; null where there is none. */
  readonly buffer: BufferReport | null;
  /** Begins the next volume, by the map that was given for it; every group of the one before must have been given. */
  beginVolume(map: VolumeMap): Promise<void>;
  /** The next group's plain bytes, in the order of the map. Resolves when there is room for another. */
  group(plain: Uint8Array, options?: GroupOptions): Promise<void>;
  /** Writes everything that follows the data and commits; after this the set is complete. */
  finish(facts: ClosingFacts): Promise<SetTotals>;
  /** Leaves the set incomplete; safe to call after anything. */
  abort(): Promise<void>;
}

/** Unreadable extents listed in the totals for one volume; the records themselves list all. */
const maxListedExtents = 10_000;

/** Head, maps and tables of a set that is small take less. */
const besidesGroups = 16 * 1024 * 1024;

/** A buffer that the whole set would not fill is memory taken for nothing. */
function bufferingFor({ buffering }: Medium, { expectedBytes }: SetRequest): Buffering | null {
  if (buffering === undefined) return null;
  const enough = (expectedBytes ?? Number.MAX_SAFE_INTEGER) + besidesGroups;
  return { ...buffering, bytes: Math.min(buffering.bytes, enough) };
}

/** Begins a set on a medium: label, head, layout and all block maps are written. Throws what the medium throws. */
export async function createSet(medium: Medium, request: SetRequest): Promise<SetWriter> {
  const { head, name } = request;
  const recordLimit = await medium.recordLimit();
  const sink = await medium.create(request.name, head.setId);
  const stream = new RecordStream({
    sink,
    recordLimit,
    buffering: bufferingFor(medium, request),
    head,
    name,
  });
  const writer = new SequentialWriter(stream, request, recordSizes(recordLimit).pieceLength);
  try {
    await writer.begin();
  } catch (error) {
    await stream.stop();
    await sink.abort();
    throw error;
  }
  return {
    get storedBytes() {
      return stream.stored;
    },
    get buffer() {
      return stream.buffer;
    },
    beginVolume: (map) => writer.beginVolume(map),
    group: (plain, options) => writer.group(plain, options ?? {}),
    finish: async (facts) => {
      const totals = await writer.finish(facts);
      await sink.commit();
      return totals;
    },
    abort: async () => {
      await writer.stop();
      await sink.abort();
    },
  };
}

/** The ordinals of the records that the contents name; where they lie is known when all are on the medium. */
type Named = Record<'head' | 'layout' | 'checksums' | 'exceptions' | 'totals' | 'index', number[]>;

class SequentialWriter {
  readonly #stream: RecordStream;
  readonly #request: SetRequest;
  readonly #pieceLength: number;
  readonly #pipeline: GroupPipeline;
  readonly #checksums: ChecksumTable;
  readonly #volumes: VolumeState[] = [];
  /** Volumes begun. */
  #begun = 0;
  /** Of the volume begun last. */
  #groups: GroupIndex | null = null;
  readonly #named: Named = { head: [], layout: [], checksums: [], exceptions: [], totals: [], index: [] };
  /** Block maps as stored, to be written again behind the data. */
  readonly #mapRecords: { volume: VolumeState; fields: RecordFields; payload: Uint8Array }[] = [];

  constructor(stream: RecordStream, request: SetRequest, pieceLength: number) {
    this.#stream = stream;
    this.#request = request;
    this.#pieceLength = pieceLength;
    this.#checksums = new ChecksumTable(pieceLength);
    this.#pipeline = new GroupPipeline({
      stream,
      level: request.level,
      checksums: this.#checksums,
      codec: request.codec ?? nodeCodec,
    });
  }

  async begin(): Promise<void> {
    await this.#stream.begin();
    this.#named.head.push(await this.#stream.document('head', this.#request.head));
    this.#named.layout.push(await this.#stream.document('layout', this.#request.layout));
    await this.#maps();
  }

  /* All maps stand before all groups, so a reader that comes from the front knows everything before it writes. */
  async #maps(): Promise<void> {
    const { maps, layout } = this.#request;
    const placed = placeVolumes(maps, layout, {
      pieceLength: this.#pieceLength,
      nextOrdinal: this.#stream.nextOrdinal,
    });
    for (const { volume, pieces } of placed) {
      this.#volumes.push(volume);
      for (const [piece, plain] of pieces.entries()) await this.#mapPiece(volume, piece, plain);
    }
  }

  async #mapPiece(volume: VolumeState, index: number, plain: Buffer): Promise<void> {
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
    const payload = small ? Buffer.from(packed) : plain;
    this.#mapRecords.push({ volume, fields, payload });
    volume.maps.push((await this.#stream.append(fields, payload)).ordinal);
  }

  async beginVolume(map: VolumeMap): Promise<void> {
    await this.#endVolume();
    const volume = this.#volumes[this.#begun];
    const groups = new GroupIndex(map);
    if (volume?.volume !== map.volume || volume.groups !== groups.groupCount) {
      throw new RemetalError('internal', `Volume ${map.volume} is not the next of the maps.`);
    }
    this.#begun++;
    this.#groups = groups;
  }

  async group(plain: Uint8Array, options: GroupOptions): Promise<void> {
    const volume = this.#volumes[this.#begun - 1];
    const groups = this.#groups;
    const i = volume?.next ?? 0;
    if (
      volume === undefined ||
      groups === null ||
      i >= groups.groupCount ||
      plain.length !== groups.groupLength(i)
    ) {
      throw new RemetalError('internal', 'Group is not the next of the map.', {
        facts: { volume: volume?.volume, group: i, length: plain.length },
      });
    }
    volume.next++;
    const unreadable = options.unreadable ?? [];
    volume.unreadable.push(...unreadable);
    await this.#pipeline.push({
      plain,
      unreadable,
      release: options.release ?? (() => {}),
      kind: groups.isControl(i) ? 'control' : 'data',
      volume: volume.number,
      index: i,
      extents: groups.groupExtents(i),
      stored: (bytes, zero) => {
        volume.stored += bytes;
        if (zero) volume.zero += plain.length;
      },
    });
  }

  async #endVolume(): Promise<void> {
    await this.#pipeline.drain();
    const volume = this.#volumes[this.#begun - 1];
    if (volume === undefined || volume.next === volume.groups) return;
    throw new RemetalError('internal', `Volume ${volume.volume} ended before its last group.`, {
      facts: { given: volume.next, groups: volume.groups },
    });
  }

  async stop(): Promise<void> {
    // What waits for room in the buffer is let go first.
    await this.#stream.stop();
    await this.#pipeline.stop();
  }

  /** Everything behind the data, in the order of docs/format.md. */
  async finish(facts: ClosingFacts): Promise<SetTotals> {
    await this.#endVolume();
    const stream = this.#stream;
    const named = this.#named;
    named.head.push(await stream.document('head', this.#request.head, true));
    named.layout.push(await stream.document('layout', this.#request.layout, true));
    for (const { volume, fields, payload } of this.#mapRecords) {
      volume.copies.push((await stream.append({ ...fields, copy: true }, payload)).ordinal);
    }
    for (const piece of this.#checksums.pieces()) named.checksums.push(await this.#table('checksums', piece));
    named.exceptions.push(await stream.document('exceptions', { format: 1, files: [] }));
    const totals = this.#totals(facts);
    named.totals.push(await stream.document('totals', totals));
    await stream.settle();
    for (const piece of stream.index(this.#pieceLength)) named.index.push(await this.#table('index', piece));
    await stream.settle();
    const contents = await stream.document('contents', this.#contents());
    await stream.settle();
    await stream.close({
      format: 1,
      setId: this.#request.head.setId,
      records: stream.nextOrdinal + 1,
      parts: stream.parts,
      contents: stream.placeOf(contents),
      digest: stream.digest(),
      signature: null,
    });
    return totals;
  }

  #contents(): Contents {
    const places = (ordinals: readonly number[]): Place[] =>
      ordinals.map((ordinal) => this.#stream.placeOf(ordinal));
    const { head, layout, checksums, exceptions, totals, index } = this.#named;
    return {
      format: 1,
      setId: this.#request.head.setId,
      head: places(head),
      layout: places(layout),
      volumes: this.#volumes.map(({ volume, number, maps, copies, firstOrdinal, groups }) => ({
        volume,
        number,
        maps: places(maps),
        copies: places(copies),
        firstOrdinal,
        groups,
      })),
      checksums: places(checksums),
      checksumEntries: this.#pieceLength / checksumLength,
      exceptions: places(exceptions),
      totals: places(totals),
      index: places(index),
    };
  }

  async #table(kind: 'checksums' | 'index', piece: { firstEntry: number; bytes: Buffer }): Promise<number> {
    const { bytes, firstEntry } = piece;
    const fields = {
      kind,
      codec: 'plain',
      index: firstEntry,
      plainLength: bytes.length,
      sum: sumOf(bytes),
    } as const;
    return (await this.#stream.append(fields, bytes)).ordinal;
  }

  #totals(facts: ClosingFacts): SetTotals {
    const notices = [...facts.notices];
    const volumes = this.#volumes.map((volume) => {
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
        wholeBecause: facts.wholeBecause[volume.volume] ?? null,
        unreadable: unreadable.slice(0, maxListedExtents),
      };
    });
    const { leftOut, startedAt, finishedAt } = facts;
    return {
      volumes,
      leftOut: [...leftOut],
      records: this.#stream.nextOrdinal,
      startedAt,
      finishedAt,
      notices,
    };
  }
}
