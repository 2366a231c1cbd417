import type { BlockDevice } from '../../disk/block-device.ts';
import { RemetalError } from '../../errors/index.ts';
import { largestRead, readBytes } from '../reading.ts';
import type { FatGeometry } from './boot.ts';
import { entrySize, filesOf } from './directory.ts';
import { badMark, entryValue } from './table.ts';

/** A directory holds at most 65,536 entries of 32 bytes. */
const longestDirectory = 2 * 1024 * 1024;

/** A FAT whose every cluster is known to belong to one chain, and every chain to one name at most. */
export interface FatCensus {
  readonly geometry: FatGeometry;
  /** The table in use: the entries of all clusters, no more. */
  readonly table: Buffer;
  /** The root directory of FAT12 and FAT16; empty for FAT32. */
  readonly root: Buffer;
  /** Clusters that hold something. */
  readonly used: number;
  /** Whether a cluster holds something. */
  readonly isUsed: (cluster: number) => boolean;
  /** Whether a cluster holds something and none leads to it. */
  readonly isFirst: (cluster: number) => boolean;
  /** The clusters of the chain that begins at a first one. */
  readonly chain: (first: number) => Generator<number>;
  /** First clusters of all directories but the root of FAT12 and FAT16; left empty for FAT32. */
  readonly directories: readonly number[];
}

class Bits {
  readonly #bytes: Uint8Array;

  constructor(count: number) {
    this.#bytes = new Uint8Array(Math.ceil(count / 8));
  }

  has(index: number): boolean {
    return ((this.#bytes[index >> 3] ?? 0) & (1 << (index & 7))) !== 0;
  }

  /** False where it was set already. */
  set(index: number): boolean {
    if (this.has(index)) return false;
    this.#bytes[index >> 3]! |= 1 << (index & 7);
    return true;
  }
}

function damaged(what: string): RemetalError {
  return new RemetalError('filesystem-damaged', what);
}

/**
 * Reads the whole table and every directory of a FAT and makes sure that they agree: a file system that is
 * not sound is not to be laid out anew. Lost chains, which no name leads to, are no harm.
 *
 * @throws `filesystem-damaged` with what is wrong, `disk-read-failed`. The caller has made sure that the
 *   file system lies on the volume and that its table may be held in memory.
 */
export async function takeCensus(volume: BlockDevice, geometry: FatGeometry): Promise<FatCensus> {
  const { clusters, kind, fatOffset, fatLength, activeFat, rootOffset, rootLength } = geometry;
  const length = Math.ceil(((clusters + 2) * kind) / 8);
  const table = await readAll(volume, fatOffset + activeFat * fatLength, length);
  const root = await readAll(volume, rootOffset, rootLength);
  const bad = badMark(geometry);
  const isUsed = (cluster: number): boolean => {
    const value = entryValue(geometry, table, cluster);
    return value !== 0 && value !== bad;
  };
  const ledTo = new Bits(clusters + 2);
  let used = 0;
  for (let cluster = 2; cluster < clusters + 2; cluster++) {
    const value = entryValue(geometry, table, cluster);
    if (value === 0 || value === bad) continue;
    used++;
    if (value > bad) continue;
    if (value < 2 || value > clusters + 1)
      throw damaged(`Cluster ${cluster} leads to ${value}, which is none`);
    if (!isUsed(value)) throw damaged(`Cluster ${cluster} leads to ${value}, which is free`);
    if (!ledTo.set(value)) throw damaged(`Two chains lead to cluster ${value}`);
  }
  const isFirst = (cluster: number): boolean =>
    cluster >= 2 && cluster < clusters + 2 && isUsed(cluster) && !ledTo.has(cluster);
  // From a first cluster no chain can come back to itself: each cluster is led to by one at most.
  function* chain(first: number): Generator<number> {
    for (let cluster = first; cluster >= 2 && cluster < clusters + 2;) {
      yield cluster;
      const value = entryValue(geometry, table, cluster);
      cluster = value < bad ? value : 0;
    }
  }
  let reached = 0;
  for (let cluster = 2; cluster < clusters + 2; cluster++) {
    if (isFirst(cluster)) for (const _ of chain(cluster)) reached++;
  }
  if (reached !== used) throw damaged('A chain of clusters runs in a circle');
  const counted = { geometry, table, root, used, isUsed, isFirst, chain };
  return { ...counted, directories: await claimAll(volume, counted) };
}

async function readAll(volume: BlockDevice, offset: number, length: number): Promise<Buffer> {
  const whole = Buffer.alloc(length);
  for (let done = 0; done < length; done += largestRead) {
    const piece = await readBytes(volume, offset + done, Math.min(largestRead, length - done));
    piece.copy(whole, done);
  }
  return whole;
}

/** Walks all names. Gives back the first clusters of the directories, for FAT32 none. */
async function claimAll(volume: BlockDevice, census: Omit<FatCensus, 'directories'>): Promise<number[]> {
  const { geometry, root } = census;
  const wide = geometry.kind === 32;
  const claimed = new Bits(geometry.clusters + 2);
  const claim = (first: number, name: string): void => {
    if (!census.isFirst(first)) throw damaged(`${name} begins at cluster ${first}, where no chain does`);
    if (!claimed.set(first)) throw damaged(`${name} begins at cluster ${first}, as another file does`);
  };
  const directories: number[] = [];
  const pending: { first: number; above: number }[] = [];
  const visit = (bytes: Buffer, first: number, above: number): void => {
    checkDots(bytes, wide, first, above, geometry.rootCluster);
    for (const file of filesOf(bytes, wide)) {
      const name = JSON.stringify(file.name);
      if (file.firstCluster === 0) {
        if (file.directory || file.size > 0) throw damaged(`${name} has no clusters`);
        continue;
      }
      claim(file.firstCluster, name);
      if (file.directory) {
        pending.push({ first: file.firstCluster, above: first });
        if (!wide) directories.push(file.firstCluster);
      } else if (file.size > 0) {
        let room = 0;
        for (const _ of census.chain(file.firstCluster)) room += geometry.clusterSize;
        if (room < file.size) throw damaged(`${name} has ${file.size} bytes and clusters for ${room}`);
      }
    }
  };
  if (wide) {
    claim(geometry.rootCluster, 'The root directory');
    visit(await directoryBytes(volume, census, geometry.rootCluster), geometry.rootCluster, 0);
  } else visit(root, 0, 0);
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    visit(await directoryBytes(volume, census, next.first), next.first, next.above);
  }
  return directories;
}

/**
 * The entries `.` and `..`, where there are any, stand first and name the directory itself and the one above
 * it; 0 is the root. No other name begins with a dot: nobody would find what is behind it.
 */
function checkDots(bytes: Buffer, wide: boolean, first: number, above: number, rootCluster: number): void {
  for (let at = 0; at + entrySize <= bytes.length && bytes[at] !== 0; at += entrySize) {
    if (bytes[at] !== 0x2e || (bytes.readUInt8(at + 11) & 0x08) !== 0) continue;
    const name = bytes.toString('latin1', at, at + 11).trimEnd();
    const dots = (at === 0 && name === '.') || (at === entrySize && name === '..');
    if (!dots) throw damaged(`${JSON.stringify(name)} is no name of a file`);
  }
  for (const [at, name] of ['.', '..'].entries()) {
    const entry = bytes.subarray(at * entrySize, (at + 1) * entrySize);
    if (entry.length < entrySize || entry.toString('latin1', 0, 11) !== name.padEnd(11)) continue;
    const cluster = entry.readUInt16LE(26) + (wide ? entry.readUInt16LE(20) * 2 ** 16 : 0);
    const wanted = at === 0 ? first : above;
    const isRoot = wanted === rootCluster && cluster === 0;
    if (cluster !== wanted && !isRoot) throw damaged(`"${name}" of a directory names cluster ${cluster}`);
  }
}

async function directoryBytes(
  volume: BlockDevice,
  { geometry, chain }: Omit<FatCensus, 'directories'>,
  first: number,
): Promise<Buffer> {
  const { dataOffset, clusterSize } = geometry;
  const parts: Buffer[] = [];
  let length = 0;
  for (const cluster of chain(first)) {
    length += clusterSize;
    if (length > longestDirectory) throw damaged('A directory is longer than one can be');
    parts.push(await readBytes(volume, dataOffset + (cluster - 2) * clusterSize, clusterSize));
  }
  return Buffer.concat(parts);
}
