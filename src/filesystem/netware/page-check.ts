import type { Findings } from './findings.ts';
import { mostRecords, recordSize, recordsPerPage } from './geometry.ts';
import { isNamed, parseNamed, parseRestriction, parseTrustees, recordTypes } from './records.ts';

/** Deleted files belong to no directory: their pages hold nothing else. */
const deletedFiles = -2;

interface Owned {
  readonly number: number;
  readonly owner: number;
  /** The server refuses to mount with such a record on a page of another owner. */
  readonly strict: boolean;
}

/**
 * Tells the records that stand on a page of another owner. A page of 32 records belongs to one directory, or to
 * deleted files; who most of its records belong to owns it.
 */
export function checkPage(page: Buffer, first: number, findings: Findings): void {
  const owned: Owned[] = [];
  const counts = new Map<number, number>();
  for (let i = 0; i < recordsPerPage; i++) {
    const found = ownerOf(page.subarray(i * recordSize, (i + 1) * recordSize), first + i);
    if (found === null) continue;
    owned.push(found);
    counts.set(found.owner, (counts.get(found.owner) ?? 0) + 1);
  }
  if (counts.size < 2) return;
  const [owner] = [...counts].toSorted(([, a], [, b]) => b - a)[0]!;
  for (const { number, owner: own, strict } of owned) {
    if (own === owner) continue;
    findings.add(
      strict ? 'record-page' : 'record-page-mixed',
      `Record ${number} of ${named(own)} stands on a page of ${named(owner)}.`,
      { record: number, owner: own, pageOwner: owner },
    );
  }
}

function ownerOf(record: Buffer, number: number): Owned | null {
  const type = record.readUInt32LE(0);
  if (type === recordTypes.free) return null;
  if (type === recordTypes.trustees) return { number, owner: parseTrustees(record).directory, strict: true };
  if (type === recordTypes.restriction) {
    return { number, owner: parseRestriction(record).directory, strict: true };
  }
  if (!isNamed(record)) return { number, owner: 0, strict: false };
  const { deleted, parent } = parseNamed(record);
  if (parent >= mostRecords) return null;
  return deleted ? { number, owner: deletedFiles, strict: true } : { number, owner: parent, strict: false };
}

const named = (owner: number): string => (owner === deletedFiles ? 'deleted files' : `directory ${owner}`);
