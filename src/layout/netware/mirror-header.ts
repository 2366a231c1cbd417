import { writeUint } from '../../bytes/index.ts';
import type { Parsed } from './copies.ts';
import { sectorSize } from './places.ts';

const magic = 'MIRROR00';
const unitGeometry = 0x0703_f808;
const mostMembers = 8;

/** The MIRROR00 header: which partitions carry the same data, and which of them are up to date. */
export interface MirrorHeader {
  /** The partition this header lies on; as in its HOTFIX00. */
  readonly id: number;
  readonly dataBad: number;
  readonly active: number;
  /** Counts up with every change. */
  readonly sync: number;
  /** Bit j: member j is out of sync. */
  readonly deviceBad: number;
  readonly deviceActive: number;
  readonly deviceSync: number;
  readonly dataSectors: number;
  readonly group: number;
  /** Ids of the partitions of the group, own included. */
  readonly members: readonly number[];
}

/** Parses a copy of the MIRROR00 header. */
export function parseMirrorHeader(sector: Buffer): Parsed<MirrorHeader> {
  if (sector.toString('latin1', 0, 8) !== magic)
    return { fault: 'is no mirror header (no MIRROR00)', stamped: false };
  const slots = Array.from({ length: mostMembers }, (_, slot) => sector.readUInt32LE(32 + slot * 4));
  const members = slots.slice(0, slots.findLastIndex((id) => id !== 0) + 1);
  const value: MirrorHeader = {
    id: sector.readUInt32LE(8),
    dataBad: sector[12]!,
    active: sector[13]!,
    sync: sector.readUInt16LE(14),
    deviceBad: sector[20]!,
    deviceActive: sector[21]!,
    deviceSync: sector.readUInt16LE(22),
    dataSectors: sector.readUInt32LE(24),
    group: sector.readUInt32LE(28),
    members,
  };
  const doubt =
    sector.readUInt32LE(16) !== unitGeometry
      ? 'names another unit than 8 sectors'
      : members.includes(value.id)
        ? null
        : 'does not count its own partition among the members of its group';
  return { value, doubt };
}

/** A copy of the MIRROR00 header. Throws `field-range`. */
export function encodeMirrorHeader(header: MirrorHeader): Buffer {
  const sector = Buffer.alloc(sectorSize);
  sector.write(magic, 0, 'latin1');
  writeUint(sector, 8, 4, header.id, 'mirror partition id');
  writeUint(sector, 12, 1, header.dataBad, 'mirror data bad bits');
  writeUint(sector, 13, 1, header.active, 'mirror active');
  writeUint(sector, 14, 2, header.sync, 'mirror sync');
  writeUint(sector, 16, 4, unitGeometry, 'mirror unit');
  writeUint(sector, 20, 1, header.deviceBad, 'mirror device bad bits');
  writeUint(sector, 21, 1, header.deviceActive, 'mirror device active');
  writeUint(sector, 22, 2, header.deviceSync, 'mirror device sync');
  writeUint(sector, 24, 4, header.dataSectors, 'mirror data sectors');
  writeUint(sector, 28, 4, header.group, 'mirror group');
  header.members.slice(0, mostMembers).forEach((id, slot) => {
    writeUint(sector, 32 + slot * 4, 4, id, 'mirror member');
  });
  return sector;
}
