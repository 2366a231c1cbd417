import { createHash, type Hash } from 'node:crypto';
import { canonicalJson, normalize, type Extent } from '../bytes/index.ts';
import { isCoded, RemetalError } from '../errors/index.ts';
import type { RecordPlace } from '../medium/medium.ts';
import { contentsSchema, decodeDocument, endSchema, type Contents, type End } from './documents.ts';
import { CellCutter, CellIndex, cellSizeOf, restOf } from './cells.ts';
import { sameExtents } from './groups.ts';
import type { RecordHeader } from './header.ts';
import { GroupIndex } from './map.ts';
import { decodeMap, mapPieceCount } from './map-record.ts';
import type { StoredRecord } from './record.ts';
import { setHeadSchema, setTotalsSchema, type SetTotals } from './set.ts';
import { checksumLength, digestedKinds, unnumberedKinds } from './structures.ts';
import { ChecksumTable, PlaceIndex } from './tables.ts';

function samePlace(a: RecordPlace | null, b: RecordPlace | null): boolean {
  return a !== null && b !== null && a.part === b.part && a.offset === b.offset;
}

/** True when both lists, each put together, are the same bytes, wherever they are cut. */
function sameBytes(a: readonly Buffer[], b: readonly Buffer[]): boolean {
  const rest = [...b];
  for (let piece of a) {
    while (piece.length > 0) {
      const other = rest.shift();
      if (other === undefined || other.length === 0) return false;
      const length = Math.min(piece.length, other.length);
      if (!piece.subarray(0, length).equals(other.subarray(0, length))) return false;
      if (length < other.length) rest.unshift(other.subarray(length));
      piece = piece.subarray(length);
    }
  }
  return rest.every(({ length }) => length === 0);
}

/** What a group says of itself, as a line to be hashed. */
function groupText({
  kind,
  index,
  ordinal,
  extents,
}: Pick<RecordHeader, 'kind' | 'index' | 'ordinal' | 'extents'>): string {
  return `${kind} ${index} ${ordinal} ${extents.map(({ start, length }) => `${start}+${length}`).join(' ')}\n`;
}

interface KnownMap {
  readonly index: GroupIndex;
  readonly volume: string;
  readonly size: number;
  readonly firstOrdinal: number;
  readonly cellSize: number;
  /** Entries of the table of sums. */
  readonly cells: number;
  readonly earlier: number | null;
}

interface VolumeCount {
  map: KnownMap | null;
  /** Over what the groups say of themselves, where the map stands behind them. */
  readonly groupsSeen: Hash;
  /** Cuts the data of a volume whose map stands in front of it. */
  cutter: CellCutter | null;
  readonly pieces: Buffer[];
  kept: number;
  zero: number;
  stored: number;
  groups: number;
  unreadable: Extent[];
}

/**
 * Checks that the records of a set, each sound in itself and met in order, agree with one another:
 * groups with block maps, the table of checksums, the totals, the index, the contents, the digest.
 * Means something only for a set whose sequence has no gap.
 */
export class SetAudit {
  readonly problems: RemetalError[] = [];
  readonly #checksums = new ChecksumTable();
  readonly #table: Buffer[] = [];
  readonly #digest = createHash('sha256');
  readonly #volumes = new Map<number, VolumeCount>();
  readonly #places: PlaceIndex;
  readonly #index: PlaceIndex;
  readonly #sumsCounted = createHash('sha256');
  readonly #sumsTable = createHash('sha256');
  #sumCount = 0;
  #sumTableCount = 0;
  #cutting: CellCutter | null = null;
  #isIncremental = false;
  /** How many earlier sets its head names. */
  chainLength = 0;
  #indexed = 0;
  #totals: SetTotals | null = null;
  #contents: Contents | null = null;
  #end: End | null = null;
  #endOrdinal = 0;

  constructor(mediumBytes: number) {
    this.#places = new PlaceIndex(mediumBytes);
    this.#index = new PlaceIndex(mediumBytes);
  }

  #wrong(message: string, facts: Readonly<Record<string, unknown>> = {}): void {
    this.problems.push(new RemetalError('record-damaged', message, { facts }));
  }

  /** The next record, its plain bytes already checked; `plain` null for zeros. */
  record(record: StoredRecord, place: RecordPlace, plain: Buffer | null): void {
    const { kind, ordinal, sum, copy } = record.header;
    if (unnumberedKinds.has(kind)) return;
    this.#places.set(ordinal, place);
    if (digestedKinds.has(kind) && !copy) this.#digest.update(sum);
    try {
      this.#take(record, plain ?? Buffer.alloc(0), plain === null);
    } catch (error) {
      if (!isCoded(error)) throw error;
      this.problems.push(error);
    }
  }

  #take(record: StoredRecord, plain: Buffer, zeros: boolean): void {
    const { header } = record;
    if (header.kind === 'control' || header.kind === 'data') {
      return this.#group(record, zeros ? null : plain);
    }
    if (header.kind === 'map' && !header.copy) return this.#map(header.volume ?? 0, plain);
    if (header.kind === 'head') {
      const { maps, chain } = decodeDocument(plain, setHeadSchema, 'head record');
      this.#isIncremental = maps === 'last';
      this.chainLength = chain.length;
    }
    if (header.kind === 'sums') {
      this.#sumsTable.update(plain);
      this.#sumTableCount += plain.length / checksumLength;
    }
    if (header.kind === 'checksums') this.#table.push(plain);
    if (header.kind === 'totals') this.#totals = decodeDocument(plain, setTotalsSchema, 'totals record');
    if (header.kind === 'contents') this.#contents = decodeDocument(plain, contentsSchema, 'contents record');
    if (header.kind === 'index') {
      this.#indexed = header.ordinal;
      this.#index.add(plain);
    }
    if (header.kind === 'end') {
      this.#end = decodeDocument(plain, endSchema, 'end record');
      this.#endOrdinal = header.ordinal;
    }
    return undefined;
  }

  #volume(number: number): VolumeCount {
    const known = this.#volumes.get(number);
    if (known !== undefined) return known;
    const fresh: VolumeCount = {
      map: null,
      groupsSeen: createHash('sha256'),
      cutter: null,
      pieces: [],
      kept: 0,
      zero: 0,
      stored: 0,
      groups: 0,
      unreadable: [],
    };
    this.#volumes.set(number, fresh);
    return fresh;
  }

  #map(number: number, piece: Buffer): void {
    const volume = this.#volume(number);
    volume.pieces.push(piece);
    if (volume.pieces.length < mapPieceCount(piece)) return;
    const { map, firstOrdinal } = decodeMap(volume.pieces);
    const cellSize = cellSizeOf(map.blockSize);
    volume.map = {
      index: new GroupIndex(map),
      volume: map.volume,
      size: map.size,
      firstOrdinal,
      cellSize,
      cells: new CellIndex(restOf(map), cellSize).count,
      earlier: this.#isIncremental ? (map.earlier?.total() ?? 0) : null,
    };
    if (this.#isIncremental) this.#compareGroups(volume, volume.map);
  }

  /** The map of an incremental set, met when all of its groups were. */
  #compareGroups(volume: VolumeCount, { index, firstOrdinal, volume: id }: KnownMap): void {
    const described = createHash('sha256');
    for (let group = 0; group < index.groupCount; group++) {
      const kind = index.isControl(group) ? 'control' : 'data';
      const ordinal = firstOrdinal + group;
      described.update(groupText({ kind, index: group, ordinal, extents: index.groupExtents(group) }));
    }
    if (described.digest('hex') === volume.groupsSeen.digest('hex')) return;
    this.#wrong(`The block map of ${id} is not that of the records.`, { volume: id });
  }

  /** Takes the sums of the cells of a full set, to be compared with its table. */
  #cells(volume: VolumeCount, { header }: StoredRecord, plain: Buffer | null): void {
    if (this.#isIncremental || volume.map === null || header.kind !== 'data') return;
    if (volume.cutter === null) {
      this.#endCells();
      this.#cutting = volume.cutter = new CellCutter(volume.map.cellSize);
    }
    const bytes = plain ?? Buffer.alloc(header.plainLength);
    for (const { sum } of volume.cutter.push(header.extents, bytes, header.unreadable)) this.#countSum(sum);
  }

  #countSum(sum: Buffer): void {
    this.#sumsCounted.update(sum);
    this.#sumCount++;
  }

  /** The last cell of the volume before. */
  #endCells(): void {
    const last = this.#cutting?.end() ?? null;
    if (last !== null) this.#countSum(last.sum);
    this.#cutting = null;
  }

  #group(record: StoredRecord, plain: Buffer | null): void {
    const { header, length } = record;
    const volume = this.#volume(header.volume ?? 0);
    const { map } = volume;
    this.#cells(volume, record, plain);
    if (this.#isIncremental) volume.groupsSeen.update(groupText(header));
    const described =
      this.#isIncremental ||
      (map !== null &&
        header.index === volume.groups &&
        header.ordinal === map.firstOrdinal + header.index &&
        header.index < map.index.groupCount &&
        (header.kind === 'control') === map.index.isControl(header.index) &&
        sameExtents(header.extents, map.index.groupExtents(header.index)));
    if (!described)
      this.#wrong(`Record ${header.ordinal} does not hold what the block map says.`, {
        ordinal: header.ordinal,
      });
    this.#checksums.push(header.sum);
    volume.groups++;
    volume.kept += header.plainLength;
    volume.stored += length;
    if (header.codec === 'zeros') volume.zero += header.plainLength;
    volume.unreadable.push(...header.unreadable);
  }

  /** Compares what was counted with what the set says of itself. */
  conclude(): void {
    const counted = this.#checksums.pieces().map(({ bytes }) => bytes);
    if (!sameBytes(counted, this.#table)) this.#wrong('The table of checksums does not match the records.');
    this.#concludeSums();
    this.#concludeTotals();
    this.#concludePlaces();
    const end = this.#end;
    if (end === null) return;
    if (end.digest !== this.#digest.digest('hex'))
      this.#wrong('The digest of the set does not match its records.');
    if (end.records !== this.#endOrdinal + 1) this.#wrong('The end record names another number of records.');
  }

  #concludeSums(): void {
    this.#endCells();
    const cells = [...this.#volumes.values()].reduce((sum, { map }) => sum + (map?.cells ?? 0), 0);
    const counted = this.#isIncremental ? cells : this.#sumCount;
    const agree =
      this.#sumTableCount === cells &&
      counted === cells &&
      (this.#isIncremental || this.#sumsCounted.digest('hex') === this.#sumsTable.digest('hex'));
    if (!agree) this.#wrong('The table of sums does not match the records.', { cells });
  }

  #concludeTotals(): void {
    const counted = [...this.#volumes.values()].map(({ map, groups, kept, zero, stored, unreadable }) => ({
      volume: map?.volume ?? '',
      size: map?.size ?? 0,
      groups,
      kept,
      zero,
      stored,
      earlier: map?.earlier ?? null,
      unreadable: normalize(unreadable),
    }));
    const named = (this.#totals?.volumes ?? []).map(
      ({ volume, size, groups, kept, zero, stored, earlier = null, unreadable }) => ({
        volume,
        size,
        groups,
        kept,
        zero,
        stored,
        earlier,
        unreadable,
      }),
    );
    // Volumes of which an incremental set holds no group are met last.
    const order = new Map(named.map(({ volume }, i) => [volume, i]));
    counted.sort((one, other) => (order.get(one.volume) ?? 0) - (order.get(other.volume) ?? 0));
    // A list of unreadable extents that was too long to be named whole is compared as far as it goes.
    for (const [i, volume] of counted.entries()) volume.unreadable.splice(named[i]?.unreadable.length ?? 0);
    if (canonicalJson(counted) !== canonicalJson(named))
      this.#wrong('The totals do not match the records.', { counted, named });
  }

  #concludePlaces(): void {
    const contents = this.#contents;
    const firstIndex = contents?.index[0]?.ordinal ?? this.#indexed;
    for (let ordinal = 0; ordinal < firstIndex; ordinal++) {
      if (samePlace(this.#places.get(ordinal), this.#index.get(ordinal))) continue;
      this.#wrong(`The index does not name the place of record ${ordinal}.`, { ordinal });
      break;
    }
    if (contents === null) return;
    const { head, layout, checksums, exceptions, totals, index, volumes } = contents;
    const named = [
      head,
      layout,
      checksums,
      exceptions,
      totals,
      index,
      ...volumes.flatMap((v) => [v.maps, v.copies]),
    ].flat();
    for (const place of [...named, ...(this.#end === null ? [] : [this.#end.contents])]) {
      if (samePlace(this.#places.get(place.ordinal), place)) continue;
      this.#wrong(`The contents do not name the place of record ${place.ordinal}.`, {
        ordinal: place.ordinal,
      });
    }
  }
}
