import type { FilesystemFacts } from '../../layout/layout.ts';
import { crc32c } from '../checksums.ts';
import { labelText, uuidText } from '../text.ts';

/*
 * The XFS superblock. Source: "XFS Algorithms & Data Structures", chapter "Superblocks", checked
 * against mkfs.xfs and xfs_db of xfsprogs 6.1. All fields big-endian, checksums little-endian.
 */

/** Geometry, in blocks and bytes as named. */
export interface XfsSuperblock {
  readonly facts: FilesystemFacts;
  readonly blockSize: number;
  readonly blocks: number;
  readonly freeBlocks: number;
  readonly agBlocks: number;
  readonly agCount: number;
  readonly agBlockLog: number;
  readonly sectorSize: number;
  /** 4 without checksums, 5 with. */
  readonly version: number;
  /** First block of the internal log, as an AG number and a block in it; null for an external log. */
  readonly log: { readonly ag: number; readonly block: number; readonly blocks: number } | null;
  /** What every structure carries: the UUID the file system was made with. */
  readonly metaUuid: Buffer;
  /** Why the free-space trees may not be read or believed; null where they may. */
  readonly doubt: string | null;
}

const incompatNames: Readonly<Record<number, string>> = {
  0x1_00: 'metadir',
  0x2_00: 'zoned',
  0x4_00: 'zone_gaps',
};
const needsRepair = 0x10;
const metaUuidFlag = 0x4;
/** ftype, spinodes, meta_uuid, bigtime, needsrepair, nrext64, exchrange, parent: none changes the free-space trees. */
const knownIncompat = 0xff;
/** finobt, rmapbt, reflink, inobtcount. */
const knownRoCompat = 0x0f;
/** attr, nlink, quota, align, dalign, logv2, sector, extflg, dirv2, ascii-ci, morebits; not the shared bit. */
const knownVersionFlags = 0xfe_f0 & ~0x02_00;
/** reserved, lazy-count, reserved, attr2, projid32, crc, ftype. */
const knownFeatures2 = 0x1 | 0x2 | 0x4 | 0x8 | 0x80 | 0x1_00 | 0x2_00;

/** The checksum of an XFS structure whose checksum field lies at `field`. */
export function xfsSumAgrees(structure: Buffer, field: number): boolean {
  let crc = crc32c(0xff_ff_ff_ff, structure.subarray(0, field));
  crc = crc32c(crc, Buffer.alloc(4));
  crc = crc32c(crc, structure.subarray(field + 4));
  return ~crc >>> 0 === structure.readUInt32LE(field);
}

/** Bytes of the superblock's sector that hold fields. */
export const superblockLength = 512;

/** The sector size a superblock claims, or null where it is none. */
export function claimedSectorSize(bytes: Buffer): number | null {
  if (bytes.length < superblockLength || bytes.toString('latin1', 0, 4) !== 'XFSB') return null;
  const size = bytes.readUInt16BE(102);
  return size >= 512 && size <= 32_768 && Number.isInteger(Math.log2(size)) ? size : null;
}

/** The superblock in `sector`, the whole first sector of the volume; null where the numbers make none. */
export function parseSuperblock(sector: Buffer): XfsSuperblock | null {
  const blockSize = sector.readUInt32BE(4);
  const blocks = Number(sector.readBigUInt64BE(8));
  const agBlocks = sector.readUInt32BE(84);
  const agCount = sector.readUInt32BE(88);
  const agBlockLog = sector.readUInt8(124);
  const versionWord = sector.readUInt16BE(100);
  const logStart = sector.readBigUInt64BE(48);
  const logBlocks = sector.readUInt32BE(96);
  const sound =
    blockSize >= 512 &&
    blockSize <= 65_536 &&
    Number.isInteger(Math.log2(blockSize)) &&
    sector.length <= blockSize &&
    agBlocks >= 64 &&
    agCount >= 1 &&
    blocks > agBlocks * (agCount - 1) &&
    blocks <= agBlocks * agCount &&
    agBlockLog === Math.ceil(Math.log2(agBlocks)) &&
    Number.isSafeInteger(blocks * blockSize);
  if (!sound) return null;
  const shift = BigInt(agBlockLog);
  const uuid = Buffer.from(sector.subarray(32, 48));
  const version = versionWord & 15;
  const ownUuid = version === 5 && (sector.readUInt32BE(216) & metaUuidFlag) !== 0;
  return {
    facts: {
      type: 'xfs',
      uuid: uuidText(uuid),
      label: labelText(sector.subarray(108, 120)),
      size: blocks * blockSize,
      blockSize,
    },
    blockSize,
    blocks,
    freeBlocks: Number(sector.readBigUInt64BE(144)),
    agBlocks,
    agCount,
    agBlockLog,
    sectorSize: sector.length,
    version,
    log:
      logStart === 0n
        ? null
        : {
            ag: Number(logStart >> shift),
            block: Number(logStart & ((1n << shift) - 1n)),
            blocks: logBlocks,
          },
    metaUuid: ownUuid ? Buffer.from(sector.subarray(248, 264)) : uuid,
    doubt: doubtOf(sector, versionWord),
  };
}

function doubtOf(sector: Buffer, versionWord: number): string | null {
  const version = versionWord & 15;
  if (version !== 4 && version !== 5) return `XFS version ${version} is not known: every sector is taken`;
  const unknown =
    version === 4
      ? (hexOf('version', (versionWord & 0xff_f0 & ~knownVersionFlags) >>> 0) ??
        hexOf('features2', (sector.readUInt32BE(200) & ~knownFeatures2) >>> 0))
      : (incompatible(sector.readUInt32BE(216)) ??
        hexOf('ro_compat', (sector.readUInt32BE(212) & ~knownRoCompat) >>> 0));
  if (unknown !== null) return `Feature ${unknown} is not known: every sector is taken`;
  if (version === 5 && !xfsSumAgrees(sector, 224)) return 'The checksum of the superblock is wrong';
  if (version === 5 && (sector.readUInt32BE(216) & needsRepair) !== 0) {
    return 'The file system is marked as needing repair';
  }
  if (sector.readUInt8(126) !== 0) return 'The file system was never completely made';
  if (sector.readBigUInt64BE(16) !== 0n)
    return 'The file system has a realtime device: every sector is taken';
  return null;
}

function hexOf(field: string, bits: number): string | null {
  return bits === 0 ? null : `${field} 0x${bits.toString(16)}`;
}

function incompatible(word: number): string | null {
  const bits = (word & ~knownIncompat) >>> 0;
  return bits === 0 ? null : (incompatNames[bits] ?? `incompat 0x${bits.toString(16)}`);
}
