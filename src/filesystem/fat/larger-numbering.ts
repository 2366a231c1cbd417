import { rearrange, type Move } from '../moves.ts';
import { largestRead } from '../reading.ts';
import type { FatKind } from './boot.ts';
import type { FatCensus } from './census.ts';
import { entrySize } from './directory.ts';
import type { FatShape } from './larger-shape.ts';
import { badMark, entryValue } from './table.ts';

/** Which cluster of the larger file system holds what, and the table that says so. */
export interface Numbering {
  /** Entries of the new table as far as any is not zero. */
  readonly table: Buffer;
  /** Clusters that hold something. */
  readonly used: number;
  /** Where a chain begins now, by where it began; 0 for what begins no chain. */
  readonly newFirst: (first: number) => number;
  /** True when entries of directories change. */
  readonly patched: boolean;
  /** What moves where, when the data area begins `by` bytes further on; null when all moves by just that. */
  readonly order: ((by: number) => Iterable<Move>) | null;
  /** Chains of directories whose last cluster has room left: `clusters` from `first` on, `used` bytes of them filled. */
  readonly slack: readonly { readonly first: number; readonly used: number; readonly clusters: number }[];
  /** FAT32: where the root directory begins, and, where it was made of a fixed one, the bytes it takes. */
  readonly rootCluster: number;
  readonly rootLength: number;
}

/** The value that ends a chain, with all flags of a clean volume set in entry 1. */
const endMark = { 12: 0x0f_ff, 16: 0xff_ff, 32: 0x0f_ff_ff_ff } as const;

/** Entries of a table, as bytes. */
class TableMaker {
  readonly bytes: Buffer;
  readonly #kind: FatKind;

  /** Takes `bytes` for its own, or makes room for `entries` zeros. */
  constructor(kind: FatKind, table: { readonly entries: number } | Buffer) {
    this.#kind = kind;
    this.bytes = Buffer.isBuffer(table) ? table : Buffer.alloc(Math.ceil((table.entries * kind) / 8));
  }

  set(cluster: number, value: number): void {
    if (this.#kind === 32) this.bytes.writeUInt32LE(value, cluster * 4);
    else if (this.#kind === 16) this.bytes.writeUInt16LE(value, cluster * 2);
    else {
      const at = Math.floor(cluster * 1.5);
      const pair = this.bytes.readUInt16LE(at);
      const both = cluster % 2 === 1 ? (pair & 0x0f) | (value << 4) : (pair & 0xf0_00) | value;
      this.bytes.writeUInt16LE(both, at);
    }
  }
}

/** Entries 0 and 1: the media byte with all bits above it set, and a clean volume. */
function begun(maker: TableMaker, kind: FatKind, media: number): void {
  maker.set(0, endMark[kind] - 0xff + media);
  maker.set(1, endMark[kind]);
}

/**
 * Every cluster keeps its number, so nothing but the place of the data area changes. Where FAT12 or FAT16
 * becomes FAT32 the root directory gets clusters behind the old ones; null where there are too few.
 *
 * Marks of bad clusters are dropped: they speak of sectors of the old disk, and the data area has moved.
 */
export function keptNumbers(census: FatCensus, shape: FatShape): Numbering | null {
  const { geometry, isFirst } = census;
  const { clusters, clusterSize, kind, media } = geometry;
  const widened = kind !== 32 && shape.kind === 32;
  const rootLength = widened ? wholeClusters(entriesLength(census.root), clusterSize) : 0;
  const rootClusters = rootLength / clusterSize;
  if (clusters + rootClusters > shape.clusters) return null;
  const table = kind === shape.kind ? withoutBadMarks(census) : translated(census, shape.kind, rootClusters);
  if (kind !== shape.kind) begun(table, shape.kind, media);
  return {
    table: table.bytes,
    used: census.used + rootClusters,
    newFirst: (first) => (isFirst(first) ? first : 0),
    patched: widened,
    order: null,
    slack: [],
    rootCluster: widened ? clusters + 2 : geometry.rootCluster,
    rootLength,
  };
}

/** The table as it is, flags and all. One of FAT32 may be large, so it is changed in place: bad is free to the census. */
function withoutBadMarks({ geometry, table }: FatCensus): TableMaker {
  const { clusters, kind } = geometry;
  const maker = new TableMaker(kind, table);
  for (let cluster = 2; cluster < clusters + 2; cluster++) {
    if (entryValue(geometry, table, cluster) === badMark(geometry)) maker.set(cluster, 0);
  }
  return maker;
}

function translated({ geometry, table }: FatCensus, kind: FatKind, rootClusters: number): TableMaker {
  const { clusters } = geometry;
  const bad = badMark(geometry);
  const maker = new TableMaker(kind, { entries: clusters + 2 + rootClusters });
  for (let cluster = 2; cluster < clusters + 2; cluster++) {
    const value = entryValue(geometry, table, cluster);
    if (value !== 0 && value !== bad) maker.set(cluster, value > bad ? endMark[kind] : value);
  }
  for (let i = 0; i < rootClusters; i++) {
    const cluster = clusters + 2 + i;
    maker.set(cluster, i + 1 < rootClusters ? cluster + 1 : endMark[kind]);
  }
  return maker;
}

const wholeClusters = (bytes: number, size: number): number => Math.max(1, Math.ceil(bytes / size)) * size;

/** Bytes of a directory up to its end mark. */
function entriesLength(root: Buffer): number {
  for (let at = 0; at < root.length; at += entrySize) if (root[at] === 0) return at;
  return root.length;
}

/**
 * Larger clusters: the chains are laid one behind the other from the first cluster on, in the order in
 * which they began. The system files of DOS, which begin at the first cluster and go on from there, still
 * do. Null where there is not room for all.
 */
export function packed(census: FatCensus, shape: FatShape): Numbering | null {
  const { geometry, isFirst, chain } = census;
  const { clusters, clusterSize, kind, sectorSize, dataOffset } = geometry;
  const ratio = (shape.perCluster * sectorSize) / clusterSize;
  const firsts = new Int32Array(clusters + 2);
  // By old cluster: how many of the old size lie in front of its new place.
  const places = new Int32Array(clusters + 2).fill(-1);
  const lengths: number[] = [];
  let next = 2;
  for (let first = 2; first < clusters + 2; first++) {
    if (!isFirst(first)) continue;
    firsts[first] = next;
    let count = 0;
    for (const cluster of chain(first)) places[cluster] = (next - 2) * ratio + count++;
    const length = Math.ceil(count / ratio);
    lengths.push(length);
    next += length;
  }
  if (next - 2 > shape.clusters) return null;
  const maker = new TableMaker(shape.kind, { entries: next });
  begun(maker, shape.kind, geometry.media);
  let cluster = 2;
  for (const length of lengths) {
    for (const end = cluster + length - 1; cluster <= end; cluster++) {
      maker.set(cluster, cluster < end ? cluster + 1 : endMark[shape.kind]);
    }
  }
  const slack = census.directories.map((first) => {
    let used = 0;
    for (const _ of chain(first)) used += clusterSize;
    return { first: firsts[first]!, used, clusters: Math.ceil(used / (ratio * clusterSize)) };
  });
  return {
    table: maker.bytes,
    used: next - 2,
    newFirst: (first) => firsts[first] ?? 0,
    patched: true,
    order: (by) => ordered(places, { by, clusterSize, sectorSize, dataOffset }),
    slack: slack.filter(({ used, clusters: count }) => count * ratio * clusterSize > used),
    rootCluster: kind === 32 ? geometry.rootCluster : 0,
    rootLength: 0,
  };
}

/** The moves for `places`, in the largest unit in which both data areas lie on one grid. */
function* ordered(
  places: Int32Array,
  at: { by: number; clusterSize: number; sectorSize: number; dataOffset: number },
): Generator<Move> {
  const { by, clusterSize, sectorSize, dataOffset } = at;
  let unit = clusterSize;
  while (by % unit !== 0 && unit > sectorSize) unit /= 2;
  const perCluster = clusterSize / unit;
  const ahead = by / unit;
  let last = 0;
  for (const place of places) last = Math.max(last, place + 1);
  const from = new Int32Array(Math.max(places.length * perCluster, ahead + last * perCluster)).fill(-1);
  for (const [cluster, place] of places.entries()) {
    if (place < 0) continue;
    for (let i = 0; i < perCluster; i++) {
      from[ahead + place * perCluster + i] = (cluster - 2) * perCluster + i;
    }
  }
  for (const move of rearrange(from, Math.floor(largestRead / unit))) {
    const length = move.length * unit;
    const source = dataOffset + move.from * unit;
    if (move.kind === 'take') yield { kind: 'take', from: source, length };
    else yield { kind: move.kind, from: source, to: dataOffset + move.to * unit, length };
  }
}

/**
 * Puts new cluster numbers into the entries of a directory, up to its end mark. Deleted entries, long
 * names and the label stay as they are. The upper half of a number is what other programs keep there in
 * FAT12 and FAT16, so it is only touched in FAT32.
 */
export function patchEntries(bytes: Buffer, numbering: Pick<Numbering, 'newFirst' | 'order'>): void {
  for (let at = 0; at + entrySize <= bytes.length && bytes[at] !== 0; at += entrySize) {
    const attributes = bytes.readUInt8(at + 11);
    if (bytes[at] === 0xe5 || (attributes & 0x08) !== 0) continue;
    if (numbering.order === null) bytes.writeUInt16LE(0, at + 20);
    const first = numbering.newFirst(bytes.readUInt16LE(at + 26));
    if (first > 0) bytes.writeUInt16LE(first, at + 26);
  }
}
