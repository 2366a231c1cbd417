import { normalize, total, type Extent } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import type { Layout } from '../layout/layout.ts';
import type { Medium } from '../medium/medium.ts';
import { nodeCodec, type Codec } from './codec.ts';
import type { Contents, Place } from './documents.ts';
import { GroupPipeline } from './group-pipeline.ts';
import { GroupIndex } from './map.ts';
import { encodeMap } from './map-record.ts';
import { sumOf } from './record.ts';
import { RecordStream, type RecordFields } from './record-stream.ts';
import type { SetHead, SetTotals, VolumeMap } from './set.ts';
import { ChecksumTable } from './tables.ts';

export interface SetRequest {
  readonly head: SetHead;
  readonly layout: Layout;
  /** zstd level, 1 by default; 0 stores plain. */
  readonly level: number;
  /** Name of the set on its medium. */
  readonly name: string;
  /** Hashes and compresses the groups; what Node has when absent or null. */
  readonly codec?: Codec | null;
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
  /** Begins a volume of the layout; every group of the one before must have been given. */
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

/** Begins a set on a medium: label, head and layout are written. Throws what the medium throws. */
export async function createSet(medium: Medium, request: SetRequest): Promise<SetWriter> {
  const sink = await medium.create(request.name);
  const { head, name } = request;
  const stream = new RecordStream({ sink, recordLimit: medium.recordLimit, head, name });
  const writer = new SequentialWriter(stream, request);
  try {
    await writer.begin();
  } catch (error) {
    await sink.abort();
    throw error;
  }
  return {
    get storedBytes() {
      return stream.stored;
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

type MutableContents = { -readonly [Key in keyof Contents]: Contents[Key] };

interface VolumeState {
  readonly map: VolumeMap;
  readonly number: number;
  readonly index: GroupIndex;
  readonly contents: Contents['volumes'][number];
  next: number;
  zero: number;
  stored: number;
  unreadable: Extent[];
}

class SequentialWriter {
  readonly #stream: RecordStream;
  readonly #request: SetRequest;
  readonly #pipeline: GroupPipeline;
  readonly #checksums = new ChecksumTable();
  readonly #volumes: VolumeState[] = [];
  readonly #contents: MutableContents;
  /** Block maps as stored, to be written again behind the data. */
  readonly #mapRecords: { volume: VolumeState; fields: RecordFields; payload: Uint8Array }[] = [];

  constructor(stream: RecordStream, request: SetRequest) {
    this.#stream = stream;
    this.#request = request;
    this.#pipeline = new GroupPipeline({
      stream,
      level: request.level,
      checksums: this.#checksums,
      codec: request.codec ?? nodeCodec,
    });
    const setId = request.head.setId;
    const empty = { head: [], layout: [], volumes: [], checksums: [], exceptions: [], totals: [], index: [] };
    this.#contents = { format: 1, setId, ...empty };
  }

  async begin(): Promise<void> {
    await this.#stream.label();
    this.#contents.head.push(await this.#stream.document('head', this.#request.head));
    this.#contents.layout.push(await this.#stream.document('layout', this.#request.layout));
  }

  async beginVolume(map: VolumeMap): Promise<void> {
    await this.#endVolume();
    const number = this.#request.layout.volumes.findIndex((volume) => volume.id === map.volume);
    if (number === -1 || this.#volumes.some((volume) => volume.number === number)) {
      throw new RemetalError('internal', `Volume ${map.volume} is not the next of the layout.`);
    }
    const index = new GroupIndex(map);
    // The map names the ordinals behind its own records, so their number has to be known first.
    const pieceCount = encodeMap({ map, firstOrdinal: 0 }).length;
    const firstOrdinal = this.#stream.nextOrdinal + pieceCount;
    const contents = {
      volume: map.volume,
      number,
      maps: [],
      copies: [],
      firstOrdinal,
      groups: index.groupCount,
    };
    const volume: VolumeState = { map, number, index, contents, next: 0, zero: 0, stored: 0, unreadable: [] };
    this.#volumes.push(volume);
    this.#contents.volumes.push(contents);
    for (const [i, plain] of encodeMap({ map, firstOrdinal }).entries()) {
      const packed = (await nodeCodec.compress(plain, 3)).bytes;
      const small = packed.length < plain.length;
      const fields: RecordFields = {
        kind: 'map',
        codec: small ? 'zstd' : 'plain',
        volume: number,
        index: i,
        plainLength: plain.length,
        sum: sumOf(plain),
      };
      const payload = small ? Buffer.from(packed) : plain;
      this.#mapRecords.push({ volume, fields, payload });
      volume.contents.maps.push((await this.#stream.append(fields, payload)).place);
    }
  }

  async group(plain: Uint8Array, options: GroupOptions): Promise<void> {
    const volume = this.#volumes.at(-1);
    const i = volume?.next ?? 0;
    if (
      volume === undefined ||
      i >= volume.index.groupCount ||
      plain.length !== volume.index.groupLength(i)
    ) {
      throw new RemetalError('internal', 'Group is not the next of the map.', {
        facts: { volume: volume?.map.volume, group: i, length: plain.length },
      });
    }
    volume.next++;
    const unreadable = options.unreadable ?? [];
    volume.unreadable.push(...unreadable);
    await this.#pipeline.push({
      plain,
      unreadable,
      release: options.release ?? (() => {}),
      kind: volume.index.isControl(i) ? 'control' : 'data',
      volume: volume.number,
      index: i,
      extents: volume.index.groupExtents(i),
      stored: (bytes, zero) => {
        volume.stored += bytes;
        if (zero) volume.zero += plain.length;
      },
    });
  }

  async #endVolume(): Promise<void> {
    await this.#pipeline.drain();
    const volume = this.#volumes.at(-1);
    if (volume === undefined || volume.next === volume.index.groupCount) return;
    throw new RemetalError('internal', `Volume ${volume.map.volume} ended before its last group.`, {
      facts: { given: volume.next, groups: volume.index.groupCount },
    });
  }

  async stop(): Promise<void> {
    await this.#pipeline.stop();
  }

  /** Everything behind the data, in the order of docs/format.md. */
  async finish(facts: ClosingFacts): Promise<SetTotals> {
    await this.#endVolume();
    const stream = this.#stream;
    const contents = this.#contents;
    contents.head.push(await stream.document('head', this.#request.head, true));
    contents.layout.push(await stream.document('layout', this.#request.layout, true));
    for (const { volume, fields, payload } of this.#mapRecords) {
      volume.contents.copies.push((await stream.append({ ...fields, copy: true }, payload)).place);
    }
    for (const piece of this.#checksums.pieces())
      contents.checksums.push(await this.#table('checksums', piece));
    contents.exceptions.push(await stream.document('exceptions', { format: 1, files: [] }));
    const totals = this.#totals(facts);
    contents.totals.push(await stream.document('totals', totals));
    for (const piece of stream.places.pieces()) contents.index.push(await this.#table('index', piece));
    const place = await stream.document('contents', contents);
    await stream.close({
      format: 1,
      setId: this.#request.head.setId,
      records: stream.nextOrdinal + 1,
      parts: stream.parts,
      contents: place,
      digest: stream.digest(),
      signature: null,
    });
    return totals;
  }

  async #table(kind: 'checksums' | 'index', piece: { firstEntry: number; bytes: Buffer }): Promise<Place> {
    const { bytes, firstEntry } = piece;
    const fields = {
      kind,
      codec: 'plain',
      index: firstEntry,
      plainLength: bytes.length,
      sum: sumOf(bytes),
    } as const;
    return (await this.#stream.append(fields, bytes)).place;
  }

  #totals(facts: ClosingFacts): SetTotals {
    const notices = [...facts.notices];
    const volumes = this.#volumes.map((volume) => {
      const unreadable = normalize(volume.unreadable);
      if (unreadable.length > maxListedExtents) {
        notices.push({
          code: 'unreadable-list-cut',
          message: `Volume ${volume.map.volume} has ${unreadable.length} unreadable extents (${total(unreadable)} bytes); the first ${maxListedExtents} are listed here, all of them in the records.`,
        });
      }
      return {
        volume: volume.map.volume,
        size: volume.map.size,
        kept: volume.index.plainBytes,
        zero: volume.zero,
        stored: volume.stored,
        groups: volume.index.groupCount,
        wholeBecause: facts.wholeBecause[volume.map.volume] ?? null,
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
