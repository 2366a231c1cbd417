import { RemetalError } from '../errors/index.ts';
import type { BlockDevice } from '../disk/block-device.ts';
import { readSectors, sectorsOf } from './fields.ts';
import { gptSigned, readGpt } from './gpt.ts';
import type { Table } from './layout.ts';
import { readMbr } from './mbr.ts';
import { hasParameterBlock, judgeBootSector } from './mbr-structures.ts';
import type { LayoutNotice } from './notice.ts';

/** A partition table and what a person should know about how it was read. */
export interface ReadTable {
  readonly table: Table;
  readonly notices: LayoutNotice[];
}

/**
 * The partition table of a disk: GPT from either copy, MBR with its logical partitions, or none (a
 * disk of zeros, or one file system from the first sector on). Decided as `judgeBootSector` says.
 * Starts and lengths are sectors of `device.sectorSize`.
 *
 * @throws `layout-damaged` when there is a table that cannot be believed, `layout-sector-size` when
 *   it was written for sectors of another size, `disk-read-failed` when sector 0 cannot be read and
 *   no GPT stands behind it.
 */
export async function readTable(device: BlockDevice): Promise<ReadTable> {
  if (sectorsOf(device) < 2) return { table: { kind: 'none' }, notices: [] };
  const read = await readSectors(device, 0, 1);
  const sector0 = read ?? Buffer.alloc(device.sectorSize);
  const signed = await gptSigned(device);
  if (read === null) return await readBehindBadSector(device, sector0, signed);
  const verdict = judgeBootSector(sector0, sectorsOf(device));
  if (verdict.kind === 'protective' || (verdict.kind === 'empty' && signed)) {
    return await readGpt(device, sector0);
  }
  if (verdict.kind === 'table') {
    return { table: await readMbr(device, sector0), notices: signed ? [stale] : [] };
  }
  if (verdict.kind === 'doubtful') {
    throw new RemetalError(
      'layout-damaged',
      `${device.name} has a damaged MBR partition table: ${verdict.reason}`,
      {
        hint: 'Repair it with sfdisk or fdisk, or image the disk as a whole.',
        facts: { sectors: sectorsOf(device) },
      },
    );
  }
  const notices = verdict.kind === 'no-table' ? doubts(sector0, verdict.reason) : [];
  return { table: { kind: 'none' }, notices };
}

const stale: LayoutNotice = {
  level: 'info',
  code: 'gpt-stale',
  message: 'A GPT from earlier stands behind the MBR partition table; it is not in force and is left out.',
};

/* A signed sector that is neither a table nor a known file system's is worth a word: it may be a ruined table. */
function doubts(sector0: Buffer, reason: string): LayoutNotice[] {
  if (sector0[510] !== 0x55 || sector0[511] !== 0xaa || hasParameterBlock(sector0)) return [];
  return [
    {
      level: 'info',
      code: 'no-table',
      message: `Sector 0 is marked as a boot sector but ${reason}; the disk is taken as one volume.`,
    },
  ];
}

async function readBehindBadSector(
  device: BlockDevice,
  sector0: Buffer,
  signed: boolean,
): Promise<ReadTable> {
  if (!signed) {
    throw new RemetalError('disk-read-failed', `${device.name} cannot be read at sector 0`, {
      facts: { offset: 0, length: device.sectorSize },
    });
  }
  const { table, notices } = await readGpt(device, sector0);
  const unread: LayoutNotice = {
    level: 'warning',
    code: 'boot-sector-unread',
    message: 'Sector 0 cannot be read; the partition table was read from the GPT behind it.',
  };
  return { table, notices: [unread, ...notices] };
}
