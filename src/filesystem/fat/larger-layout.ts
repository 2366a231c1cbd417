import type { Extent } from '../../bytes/extents.ts';
import type { BlockDevice } from '../../disk/block-device.ts';
import { isCoded, RemetalError } from '../../errors/index.ts';
import type { LargerLayout, LargerWish, Patch, StructureWrite } from '../filesystem.ts';
import { slideUp } from '../moves.ts';
import { largestRead, readBytes } from '../reading.ts';
import { parseBootSector, type FatGeometry } from './boot.ts';
import { takeCensus, type FatCensus } from './census.ts';
import { keptNumbers, packed, patchEntries, type Numbering } from './larger-numbering.ts';
import { backupSector, isFsInfo, largerBootSector, largerFsInfo } from './larger-boot.ts';
import { chooseShape, sameClusters, type FatShape } from './larger-shape.ts';
import { fatUsedMap } from './used.ts';

/**
 * How the FAT on `old`, the volume in its old size, is laid out to fill a larger one: what moves, which
 * directories get other cluster numbers, and the structures anew. Names, dates, attributes and the order
 * of the entries are not touched; chains keep their order, and what was in one piece stays so. Only what
 * the table calls used moves.
 *
 * Where clusters of the chosen size waste too much for everything to fit, the old size is kept and the file
 * system grows as far as that reaches.
 *
 * Gives back a sentence instead, and nothing is to be touched, where the file system is not sound
 * enough to be laid out anew. Throws `disk-read-failed`.
 */
export async function largerLayout(old: BlockDevice, wish: LargerWish): Promise<LargerLayout | string> {
  try {
    return await laidOut(old, wish);
  } catch (error) {
    if (isCoded(error, 'filesystem-damaged')) return error.message;
    throw error;
  }
}

async function laidOut(old: BlockDevice, wish: LargerWish): Promise<LargerLayout | string> {
  const geometry = parseBootSector(await readBytes(old, 0, 512));
  if (geometry === null) return 'It begins with no boot sector of a FAT';
  if (geometry.sectorSize % old.sectorSize !== 0) return 'Its sectors are smaller than those of the disk';
  const map = await fatUsedMap(old, geometry);
  if (map.reason !== null) return map.reason;
  const boot = await readBytes(old, 0, geometry.sectorSize);
  const choice = chooseShape(boot, geometry, wish);
  if (choice.shape === null) return `It stays as it is because ${choice.reason}`;
  const blockSize = choice.shape.perCluster * geometry.sectorSize;
  const { planned } = wish;
  if (
    planned.type !== `fat${choice.shape.kind}` ||
    planned.blockSize !== blockSize ||
    planned.size !== choice.size
  ) {
    return 'Its boot sector is not the one the plan was made with';
  }
  const census = await takeCensus(old, geometry);
  const numbering = numberingFor(census, choice.shape);
  if (numbering !== null) return await assembled(old, { wish, boot, census, shape: choice.shape, numbering });
  const shape = sameClusters(boot, geometry, wish.size);
  const kept = shape === null ? null : numberingFor(census, shape);
  if (shape === null || kept === null) return `Its files do not fit in clusters of ${blockSize} bytes`;
  return await assembled(old, { wish, boot, census, shape, numbering: kept });
}

function numberingFor(census: FatCensus, shape: FatShape): Numbering | null {
  const { clusterSize, sectorSize } = census.geometry;
  return shape.perCluster * sectorSize === clusterSize ? keptNumbers(census, shape) : packed(census, shape);
}

interface Parts {
  readonly wish: LargerWish;
  readonly boot: Buffer;
  readonly census: FatCensus;
  readonly shape: FatShape;
  readonly numbering: Numbering;
}

/** Byte offsets of the new structures. */
interface Offsets {
  readonly fat: number;
  readonly fatLength: number;
  readonly root: number;
  readonly data: number;
  readonly cluster: number;
}

async function assembled(old: BlockDevice, parts: Parts): Promise<LargerLayout> {
  const { wish, boot, census, shape, numbering } = parts;
  const { geometry } = census;
  const { sectorSize, fatCount } = geometry;
  const fat = shape.reserved * sectorSize;
  const fatLength = shape.fatSectors * sectorSize;
  const root = fat + fatCount * fatLength;
  const offsets: Offsets = {
    fat,
    fatLength,
    root,
    data: root + shape.rootSectors * sectorSize,
    cluster: shape.perCluster * sectorSize,
  };
  const { rootCluster } = numbering;
  const sector = largerBootSector(boot, geometry, { shape, place: wish, rootCluster });
  checkReadBack(sector, shape, offsets, wish.size);
  const tail = shape.kind === 32 ? await reservedWrites(old, { sector, shape, numbering, geometry }) : [];
  const by = offsets.data - geometry.dataOffset;
  return {
    type: `fat${shape.kind}`,
    size: shape.sectors * sectorSize,
    blockSize: offsets.cluster,
    bytes: by === 0 && numbering.order === null ? 0 : census.used * geometry.clusterSize,
    moves: () =>
      numbering.order === null ? slideUp(usedRuns(census), by, largestRead) : numbering.order(by),
    patches: patchesOf(parts, offsets),
    // The boot sector last: it is what makes all the rest count.
    writes: [...structures(parts, offsets), ...tail, { offset: 0, bytes: sector }],
  };
}

/** The runs of used clusters as bytes of the old volume, descending. */
function* usedRuns({ geometry, isUsed }: FatCensus): Generator<Extent> {
  const { clusters, clusterSize, dataOffset } = geometry;
  let end = 0;
  for (let cluster = clusters + 1; cluster >= 1; cluster--) {
    const used = cluster > 1 && isUsed(cluster);
    if (used && end === 0) end = cluster + 1;
    if (used || end === 0) continue;
    const start = dataOffset + (cluster - 1) * clusterSize;
    yield { start, length: (end - cluster - 1) * clusterSize };
    end = 0;
  }
}

function patchesOf({ census, numbering }: Parts, { data, cluster }: Offsets): Patch[] {
  if (!numbering.patched) return [];
  const oldSize = census.geometry.clusterSize;
  return census.directories.map((first) => {
    let count = 0;
    for (const _ of census.chain(first)) count++;
    const extents =
      numbering.order === null
        ? [...census.chain(first)].map((one) => ({ start: data + (one - 2) * oldSize, length: oldSize }))
        : [{ start: data + (numbering.newFirst(first) - 2) * cluster, length: count * oldSize }];
    return { extents, patch: (bytes) => patchEntries(bytes, numbering) };
  });
}

function structures({ census, shape, numbering }: Parts, offsets: Offsets): StructureWrite[] {
  const { fat, fatLength, root, data, cluster } = offsets;
  const { geometry } = census;
  const writes: StructureWrite[] = [];
  for (const { first, used, clusters } of numbering.slack) {
    const start = data + (first - 2) * cluster + used;
    writes.push({ offset: start, zeros: clusters * cluster - used });
  }
  const entries = Buffer.from(census.root);
  if (numbering.patched) patchEntries(entries, numbering);
  if (shape.rootSectors > 0) writes.push({ offset: root, bytes: entries });
  else if (geometry.kind !== 32) {
    const bytes = Buffer.alloc(numbering.rootLength);
    entries.copy(bytes);
    writes.push({ offset: data + (numbering.rootCluster - 2) * cluster, bytes });
  }
  const { table } = numbering;
  const whole = table.length - (table.length % geometry.sectorSize);
  const last = Buffer.alloc(table.length > whole ? geometry.sectorSize : 0);
  table.copy(last, 0, whole);
  for (let copy = 0; copy < geometry.fatCount; copy++) {
    const offset = fat + copy * fatLength;
    const end = whole + last.length;
    writes.push({ offset, bytes: table.subarray(0, whole) });
    writes.push({ offset: offset + whole, bytes: last });
    writes.push({ offset: offset + end, zeros: fatLength - end });
  }
  return writes;
}

/** What FAT32 keeps in its reserved sectors beside the boot sector: FSINFO and the copies of both. */
async function reservedWrites(
  old: BlockDevice,
  {
    sector,
    shape,
    numbering,
    geometry,
  }: Pick<Parts, 'shape' | 'numbering'> & {
    readonly sector: Buffer;
    readonly geometry: FatGeometry;
  },
): Promise<StructureWrite[]> {
  const { sectorSize } = geometry;
  const info = sector.readUInt16LE(48);
  const backup = backupSector(sector, shape.reserved);
  const free = shape.clusters - numbering.used;
  const copies = backup === null ? [] : [backup + info];
  const infos = [info, ...copies].filter((place) => info > 0 && place < shape.reserved);
  if (geometry.kind !== 32) {
    const fresh = largerFsInfo(null, sectorSize, free);
    return [
      // Where a table of FAT12 or FAT16 was, a FAT32 has nothing but these.
      { offset: sectorSize, zeros: (shape.reserved - 1) * sectorSize },
      ...infos.map((place) => ({ offset: place * sectorSize, bytes: fresh })),
      ...(backup === null ? [] : [{ offset: backup * sectorSize, bytes: sector }]),
    ];
  }
  // What is there is brought up to date; where something else is, code perhaps, that stays.
  const writes: StructureWrite[] = [];
  for (const place of infos) {
    const stored = await readBytes(old, place * sectorSize, sectorSize);
    if (!isFsInfo(stored)) continue;
    writes.push({ offset: place * sectorSize, bytes: largerFsInfo(stored, sectorSize, free) });
  }
  if (backup === null) return writes;
  const stored = await readBytes(old, backup * sectorSize, sectorSize);
  if (parseBootSector(stored) !== null) writes.push({ offset: backup * sectorSize, bytes: sector });
  return writes;
}

/** What comes out must be what was meant: a wrong number here would cost the volume. */
function checkReadBack(sector: Buffer, shape: FatShape, offsets: Offsets, size: number): void {
  const read = parseBootSector(sector);
  const sound =
    read !== null &&
    read.kind === shape.kind &&
    read.clusters === shape.clusters &&
    read.fatOffset === offsets.fat &&
    read.fatLength === offsets.fatLength &&
    read.dataOffset === offsets.data &&
    read.clusterSize === offsets.cluster &&
    read.facts.size <= size;
  if (!sound) throw new RemetalError('internal', 'The boot sector of a larger FAT came out wrong');
}
