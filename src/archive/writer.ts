import type { Extent } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import type { Layout } from '../layout/layout.ts';
import type { Buffering, Medium } from '../medium/medium.ts';
import type { BufferReport } from '../progress/index.ts';
import { cellSizeOf } from './cells.ts';
import { nodeCodec, type Codec } from './codec.ts';
import { GroupPipeline, type PendingGroup } from './group-pipeline.ts';
import { GroupIndex } from './map.ts';
import { encodeMap, placeMap } from './map-record.ts';
import { SumsOnly, type Intake } from './intake.ts';
import { RecordStream } from './record-stream.ts';
import type { SetHead, SetTotals, VolumeMap } from './set.ts';
import { Sieve } from './sieve.ts';
import type { Since } from './since.ts';
import { recordSizes } from './sizes.ts';
import { memorySpool, type SpoolMaker } from './spool.ts';
import { SumTable } from './sum-table.ts';
import { ChecksumTable } from './tables.ts';
import { mapRecord, writeTail, type ClosingFacts, type MapRecord, type Named } from './tail.ts';
import { newVolume, placeVolumes, type VolumeState } from './volume-states.ts';

export interface SetRequest {
  /** That of an incremental set has `kind` incremental, `maps` last and the chain of `since`. */
  readonly head: SetHead;
  readonly layout: Layout;
  /**
   * The maps of all volumes, in the order in which `beginVolume` will follow; each is asked for once and let go. Not
   * asked for in an incremental set.
   */
  readonly maps: Iterable<VolumeMap>;
  /** zstd level, 1 by default; 0 stores plain. */
  readonly level: number;
  /** Name of the set on its medium. */
  readonly name: string;
  /** Hashes and compresses the groups; what Node has when absent or null. */
  readonly codec?: Codec | null;
  /** Plain bytes of all groups, about: a buffer need not be larger. */
  readonly expectedBytes?: number;
  /**
   * The set an incremental one builds on: what it holds unchanged is left out. The groups are given as for a full
   * set. Volumes it does not hold, or in another size, are stored whole. Stays the caller's to close.
   */
  readonly since?: Since;
  /** Takes the table of sums, 16 bytes for every 16 KiB of data; in memory when absent. */
  readonly makeSpool?: SpoolMaker;
}

export interface GroupOptions {
  /** Byte extents of the volume, inside the group, that could not be read and are zeros here. */
  readonly unreadable?: readonly Extent[];
  /** Called once the plain buffer is no longer needed; until then its bytes must not change. */
  readonly release?: () => void;
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

class SequentialWriter {
  readonly #stream: RecordStream;
  readonly #request: SetRequest;
  readonly #pieceLength: number;
  readonly #pipeline: GroupPipeline;
  readonly #checksums: ChecksumTable;
  readonly #sums: SumTable;
  readonly #volumes: VolumeState[] = [];
  readonly #numbers = new Set<number>();
  /** Volumes begun. */
  #begun = 0;
  /** Of the volume begun last: its map, the index of what is given, how much of that was given, where its data goes. */
  #now: {
    readonly map: VolumeMap;
    readonly groups: GroupIndex;
    given: number;
    readonly intake: Intake;
    readonly sieve: Sieve | null;
  } | null = null;
  readonly #named: Named = {
    head: [],
    layout: [],
    sums: [],
    checksums: [],
    exceptions: [],
    totals: [],
    index: [],
  };
  readonly #maps: MapRecord[] = [];

  constructor(stream: RecordStream, request: SetRequest, pieceLength: number) {
    this.#stream = stream;
    this.#request = request;
    this.#pieceLength = pieceLength;
    this.#checksums = new ChecksumTable(pieceLength);
    this.#sums = new SumTable((request.makeSpool ?? memorySpool)());
    this.#pipeline = new GroupPipeline({
      stream,
      level: request.level,
      checksums: this.#checksums,
      codec: request.codec ?? nodeCodec,
    });
  }

  get #isIncremental(): boolean {
    return this.#request.head.maps === 'last';
  }

  async begin(): Promise<void> {
    await this.#stream.begin();
    this.#named.head.push(await this.#stream.document('head', this.#request.head));
    this.#named.layout.push(await this.#stream.document('layout', this.#request.layout));
    if (!this.#isIncremental) await this.#mapsFirst();
  }

  /* All maps stand before all groups, so a reader that comes from the front knows everything before it writes. */
  async #mapsFirst(): Promise<void> {
    const { maps, layout } = this.#request;
    const placed = placeVolumes(maps, layout, {
      pieceLength: this.#pieceLength,
      nextOrdinal: this.#stream.nextOrdinal,
    });
    for (const { volume, pieces } of placed) {
      this.#volumes.push(volume);
      for (const [piece, plain] of pieces.entries()) {
        const record = await mapRecord(volume, piece, plain);
        this.#maps.push(record);
        volume.maps.push((await this.#stream.append(record.fields, record.payload)).ordinal);
      }
    }
  }

  async beginVolume(map: VolumeMap): Promise<void> {
    await this.#endVolume();
    const groups = new GroupIndex(map);
    if (this.#isIncremental) {
      const volume = newVolume(map.volume, map.size, this.#request.layout, this.#numbers);
      this.#volumes.push({ ...volume, firstOrdinal: this.#stream.nextOrdinal });
    }
    const volume = this.#volumes[this.#begun];
    if (volume?.volume !== map.volume || (!this.#isIncremental && volume.groups !== groups.groupCount)) {
      throw new RemetalError('internal', `Volume ${map.volume} is not the next of the maps.`);
    }
    this.#begun++;
    const sieve = this.#sieveFor(map, volume);
    this.#now = { map, groups, given: 0, sieve, intake: sieve ?? new SumsOnly(map, this.#sums) };
  }

  /** Null where there is nothing to compare with. */
  #sieveFor(map: VolumeMap, volume: VolumeState): Sieve | null {
    const { since } = this.#request;
    const before = since?.volumes.get(map.volume);
    if (since === undefined || before === undefined) return null;
    if (before.size !== map.size || before.cellSize !== cellSizeOf(map.blockSize)) return null;
    return new Sieve({
      map,
      since: before,
      sums: since.sums,
      link: since.chain.length,
      table: this.#sums,
      emit: ({ plain, extents, unreadable }) =>
        this.#store(volume, { kind: 'data', plain, extents, unreadable, release: () => {} }),
    });
  }

  async group(plain: Uint8Array, options: GroupOptions): Promise<void> {
    const volume = this.#volumes[this.#begun - 1];
    const now = this.#now;
    const i = now?.given ?? 0;
    if (
      volume === undefined ||
      now === null ||
      i >= now.groups.groupCount ||
      plain.length !== now.groups.groupLength(i)
    ) {
      throw new RemetalError('internal', 'Group is not the next of the map.', {
        facts: { volume: volume?.volume, group: i, length: plain.length },
      });
    }
    now.given++;
    const { unreadable = [], release = () => {} } = options;
    const extents = now.groups.groupExtents(i);
    const kind = now.groups.isControl(i) ? 'control' : 'data';
    if (kind === 'data') await now.intake.push(extents, plain, unreadable);
    if (kind === 'control' || now.sieve === null) {
      await this.#store(volume, { kind, plain, extents, unreadable, release });
    } else release();
  }

  async #store(
    volume: VolumeState,
    group: Pick<PendingGroup, 'kind' | 'plain' | 'extents' | 'unreadable' | 'release'>,
  ): Promise<void> {
    const { unreadable, plain } = group;
    volume.unreadable.push(...unreadable);
    await this.#pipeline.push({
      ...group,
      volume: volume.number,
      index: volume.next++,
      stored: (bytes, zero) => {
        volume.stored += bytes;
        if (zero) volume.zero += plain.length;
      },
    });
  }

  async #endVolume(): Promise<void> {
    const volume = this.#volumes[this.#begun - 1];
    const now = this.#now;
    if (volume === undefined || now === null) return;
    if (now.given !== now.groups.groupCount) {
      throw new RemetalError('internal', `Volume ${volume.volume} ended before its last group.`, {
        facts: { given: now.given, groups: now.groups.groupCount },
      });
    }
    await now.intake.end();
    await this.#pipeline.drain();
    this.#now = null;
    if (this.#isIncremental) await this.#describe(volume, now.map, now.sieve);
  }

  /** The map of a volume of an incremental set is known when its last group was compared. */
  async #describe(volume: VolumeState, full: VolumeMap, sieve: Sieve | null): Promise<void> {
    const map = sieve === null ? full : { ...full, data: sieve.changed, earlier: sieve.earlier };
    const { groupCount, plainBytes } = new GroupIndex(map);
    if (groupCount !== volume.next) {
      throw new RemetalError('internal', `The groups of ${volume.volume} are not those of its map.`);
    }
    volume.groups = groupCount;
    volume.plainBytes = plainBytes;
    volume.earlierBytes = sieve?.earlier.total() ?? 0;
    const pieces = encodeMap(map, this.#pieceLength);
    placeMap(pieces, volume.firstOrdinal);
    for (const [piece, plain] of pieces.entries()) this.#maps.push(await mapRecord(volume, piece, plain));
  }

  async stop(): Promise<void> {
    // What waits for room in the buffer is let go first.
    await this.#stream.stop();
    await this.#pipeline.stop();
    await this.#sums.close();
  }

  async finish(facts: ClosingFacts): Promise<SetTotals> {
    await this.#endVolume();
    const { head, layout } = this.#request;
    const totals = await writeTail(
      this.#stream,
      {
        head,
        layout,
        pieceLength: this.#pieceLength,
        volumes: this.#volumes,
        maps: this.#maps,
        sums: this.#sums,
        checksums: this.#checksums,
        named: this.#named,
      },
      facts,
    );
    await this.#sums.close();
    return totals;
  }
}
