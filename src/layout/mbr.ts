import { RemetalError } from '../errors/index.ts';
import type { BlockDevice } from '../disk/block-device.ts';
import { contradiction, isExtended } from './check.ts';
import { isZero, readSectors, sectorsOf } from './fields.ts';
import type { MbrPartition, MbrTable } from './layout.ts';
import {
  isSigned,
  isUsed,
  recordsAt,
  recordsOffset,
  signatureOffset,
  type BootRecord,
} from './mbr-structures.ts';

/** Linux gives up after 256 partitions of a disk; so does this reader. */
const mostLogical = 252;

function damaged(
  device: BlockDevice,
  what: string,
  facts: Readonly<Record<string, unknown>> = {},
): RemetalError {
  return new RemetalError('layout-damaged', `${device.name} has a damaged MBR partition table: ${what}`, {
    hint: 'Repair it with sfdisk or fdisk, or image the disk as a whole.',
    facts,
  });
}

function linkAndData(
  device: BlockDevice,
  sector: Buffer,
  at: number,
): { link: BootRecord | null; data: BootRecord | null } {
  const used = recordsAt(sector).filter(isUsed);
  const links = used.filter((record) => isExtended(record.type));
  const data = used.filter((record) => !isExtended(record.type));
  if (links.length > 1 || data.length > 1) {
    throw damaged(device, `the extended boot record at sector ${at} names ${used.length} partitions`, {
      sector: at,
    });
  }
  return { link: links[0] ?? null, data: data[0] ?? null };
}

/** Follows the chain of extended boot records of one container; data is relative to its own record, links to the container. */
async function readChain(
  device: BlockDevice,
  container: MbrPartition,
  first: number,
): Promise<MbrPartition[]> {
  const logical: MbrPartition[] = [];
  const seen = new Set<number>();
  let at: number | null = container.start;
  while (at !== null) {
    if (seen.has(at))
      throw damaged(device, `the chain of logical partitions loops at sector ${at}`, { sector: at });
    seen.add(at);
    if (seen.size > mostLogical)
      throw damaged(device, `there are more than ${mostLogical} logical partitions`);
    if (at < container.start || at >= Math.min(container.start + container.length, sectorsOf(device))) {
      throw damaged(device, `the chain of logical partitions leaves its extended partition at sector ${at}`, {
        sector: at,
      });
    }
    const sector = await readSectors(device, at, 1);
    if (sector === null || !isSigned(sector)) {
      throw damaged(device, `there is no extended boot record at sector ${at}`, { sector: at });
    }
    const { link, data } = linkAndData(device, sector, at);
    if (data !== null) {
      const code = sector.subarray(0, recordsOffset);
      logical.push({
        number: first + logical.length,
        start: at + data.start,
        length: data.length,
        type: data.type,
        active: data.status === 0x80,
        ebr: at,
        ...(isZero(code) ? {} : { ebrCode: code.toString('hex') }),
      });
    }
    at = link === null ? null : container.start + link.start;
  }
  return logical;
}

/**
 * The MBR partition table of a disk whose sector 0 was judged to be one, logical partitions numbered
 * from 5 on in chain order as Linux numbers them.
 *
 * @throws `layout-damaged` when the chain loops, leaves its container or the disk, or partitions overlap.
 */
export async function readMbr(device: BlockDevice, sector0: Buffer): Promise<MbrTable> {
  const primaries: MbrPartition[] = recordsAt(sector0)
    .filter(isUsed)
    .map((record) => ({
      number: record.slot + 1,
      start: record.start,
      length: record.length,
      type: record.type,
      active: record.status === 0x80,
    }));
  const partitions = [...primaries];
  for (const container of primaries.filter((entry) => isExtended(entry.type))) {
    const next = Math.max(4, ...partitions.map((entry) => entry.number)) + 1;
    partitions.push(...(await readChain(device, container, next)));
  }
  const table: MbrTable = { kind: 'mbr', diskSignature: sector0.readUInt32LE(signatureOffset), partitions };
  const wrong = contradiction(table, device, { backup: false });
  if (wrong !== null) throw damaged(device, wrong);
  return table;
}
