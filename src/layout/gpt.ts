import { RemetalError } from '../errors/index.ts';
import type { BlockDevice } from '../disk/block-device.ts';
import { contradiction } from './check.ts';
import { isZero, readSectors, sectorsOf } from './fields.ts';
import {
  entrySectors,
  hasGptSignature,
  parseEntries,
  parseHeader,
  type GptHeader,
} from './gpt-structures.ts';
import type { GptTable } from './layout.ts';
import { protectiveRecords, recordsAt } from './mbr-structures.ts';
import type { LayoutNotice } from './notice.ts';

interface Copy {
  readonly header: GptHeader;
  readonly table: GptTable;
}

/** A table and what a person should know about how it was read. */
export interface ReadGpt {
  readonly table: GptTable;
  readonly notices: LayoutNotice[];
}

async function readCopy(device: BlockDevice, at: number, protectiveMbr: string): Promise<Copy | string> {
  const sectors = sectorsOf(device);
  if (at < 1 || at >= sectors) return `sector ${at} is not on the disk`;
  const sector = await readSectors(device, at, 1);
  if (sector === null) return 'unreadable';
  const header = parseHeader(sector, at, sectors);
  if (typeof header === 'string') return header;
  const entries = await readSectors(device, header.entriesStart, entrySectors(header, device.sectorSize));
  if (entries === null) return 'entries unreadable';
  const partitions = parseEntries(entries, header, sectors);
  if (typeof partitions === 'string') return partitions;
  const table: GptTable = {
    kind: 'gpt',
    diskGuid: header.diskGuid,
    entryCount: header.entryCount,
    entrySize: header.entrySize,
    firstUsable: header.firstUsable,
    lastUsable: header.lastUsable,
    ...(at === 1 && header.entriesStart !== 2 ? { entriesStart: header.entriesStart } : {}),
    partitions,
    protectiveMbr,
  };
  return contradiction(table, device, { backup: false }) ?? { header, table };
}

/** Finds the sector size a GPT was written for when it is not the one the disk is read with. */
async function foreignSectorSize(device: BlockDevice): Promise<number | null> {
  const other = device.sectorSize === 512 ? 4096 : 512;
  const span = Math.ceil((other * 2) / device.sectorSize);
  if (span > sectorsOf(device)) return null;
  const head = await readSectors(device, 0, span);
  if (head === null) return null;
  const sectors = Math.floor(device.size / other);
  return typeof parseHeader(head.subarray(other, other * 2), 1, sectors) === 'string' ? null : other;
}

async function readBackup(
  device: BlockDevice,
  primary: Copy | string,
  protectiveMbr: string,
): Promise<{ copy: Copy | string; moved: boolean }> {
  const last = sectorsOf(device) - 1;
  const named = typeof primary === 'string' ? last : primary.header.alternate;
  const copy = await readCopy(device, named, protectiveMbr);
  if (typeof copy !== 'string' || named === last) return { copy, moved: named !== last };
  return { copy: await readCopy(device, last, protectiveMbr), moved: true };
}

function sameTable(a: GptTable, b: GptTable): boolean {
  const { entriesStart: _a, ...left } = a;
  const { entriesStart: _b, ...right } = b;
  return JSON.stringify(left) === JSON.stringify(right);
}

/**
 * The GPT of a disk, from whichever copy is sound (UEFI 2.10, section 5.3.2).
 *
 * @throws `layout-sector-size` when the table was written for another sector size,
 *   `layout-damaged` with the reason against each copy when neither is sound.
 */
export async function readGpt(device: BlockDevice, sector0: Buffer): Promise<ReadGpt> {
  const notices: LayoutNotice[] = [];
  const kept = sector0.subarray(446, 512).toString('hex');
  const protectiveMbr = isZero(sector0.subarray(446, 512)) ? protectiveRecords(sectorsOf(device)) : kept;
  const primary = await readCopy(device, 1, protectiveMbr);
  const backup = await readBackup(device, primary, protectiveMbr);
  const facts = {
    primary: typeof primary === 'string' ? primary : 'sound',
    backup: typeof backup.copy === 'string' ? backup.copy : 'sound',
  };
  if (protectiveMbr !== kept) {
    notices.push({
      level: 'warning',
      code: 'gpt-repaired',
      message: 'The protective boot record of the partition table is empty; a new one takes its place.',
      facts,
    });
  }
  if (typeof primary === 'string') {
    if (typeof backup.copy === 'string') return await refuse(device, facts);
    notices.push({
      level: 'warning',
      code: 'gpt-repaired',
      message: `The first copy of the partition table is damaged (${primary}); it was read from the copy at the end of the disk.`,
      facts,
    });
    return { table: backup.copy.table, notices };
  }
  if (typeof backup.copy === 'string') {
    notices.push({
      level: 'warning',
      code: 'gpt-backup-damaged',
      message: `The copy of the partition table at the end of the disk is damaged (${backup.copy}); the first copy is sound.`,
      facts,
    });
  } else if (!sameTable(primary.table, backup.copy.table)) {
    notices.push({
      level: 'warning',
      code: 'gpt-copies-differ',
      message: 'The two copies of the partition table say different things; the first one is believed.',
      facts: {
        primary: primary.table.partitions.length,
        backup: backup.copy.table.partitions.length,
      },
    });
  } else if (backup.moved) {
    notices.push({
      level: 'info',
      code: 'gpt-backup-moved',
      message: `The second copy of the partition table stands at sector ${backup.copy.header.at}, not at the end of the disk.`,
      facts: { sector: backup.copy.header.at },
    });
  }
  const records = recordsAt(sector0);
  if (records.some((record) => record.type !== 0xee && record.type !== 0 && record.length > 0)) {
    notices.push({
      level: 'info',
      code: 'hybrid-mbr',
      message:
        'The boot record also names partitions of its own (a hybrid table); they are kept as they are.',
    });
  }
  return { table: primary.table, notices };
}

async function refuse(device: BlockDevice, facts: Readonly<Record<string, unknown>>): Promise<never> {
  const foreign = await foreignSectorSize(device);
  if (foreign !== null) {
    throw new RemetalError(
      'layout-sector-size',
      `${device.name} carries a partition table for sectors of ${foreign} bytes but is read with sectors of ${device.sectorSize}`,
      {
        hint: `Open it with a sector size of ${foreign}.`,
        facts: { sectorSize: device.sectorSize, written: foreign },
      },
    );
  }
  throw new RemetalError(
    'layout-damaged',
    `${device.name} has a GPT partition table of which neither copy is sound`,
    {
      hint: 'Repair it with sgdisk or gdisk, or image the disk as a whole.',
      facts,
    },
  );
}

/** True when sector 1 begins like a GPT header. */
export async function gptSigned(device: BlockDevice): Promise<boolean> {
  if (sectorsOf(device) < 2) return false;
  const sector = await readSectors(device, 1, 1);
  return sector !== null && hasGptSignature(sector);
}
