import type { Findings } from './findings.ts';
import { roles, type RecordIndex } from './index-of-records.ts';
import { mostRecords, recordSize, recordsPerPage } from './geometry.ts';
import { isNamed, parseNamed, parseRestriction, parseTrustees, recordTypes } from './records.ts';

/** Deleted files belong to no directory: their pages hold nothing else. */
const deletedFiles = -2;

interface Owned {
  readonly number: number;
  readonly owner: number;
  readonly trustees: boolean;
  /** The server refuses to mount with such a record on a page of another owner. */
  readonly strict: boolean;
}

/**
 * Tells the records that stand on a page of another owner. A page of 32 records belongs to one directory, or to
 * deleted files; who most of its records belong to owns it.
 */
export function checkPage(
  page: Buffer,
  {
    first,
    index,
    findings,
  }: { readonly first: number; readonly index: RecordIndex; readonly findings: Findings },
): void {
  const owned: Owned[] = [];
  const counts = new Map<number, number>();
  for (let i = 0; i < recordsPerPage; i++) {
    const found = ownerOf(page.subarray(i * recordSize, (i + 1) * recordSize), first + i, index);
    if (found === null) continue;
    owned.push(found);
    counts.set(found.owner, (counts.get(found.owner) ?? 0) + 1);
  }
  if (counts.size < 2) return;
  const [owner] = [...counts].toSorted(([, a], [, b]) => b - a)[0]!;
  for (const { number, owner: own, strict, trustees } of owned) {
    // Where the trustees of a deleted file go is not documented; with it, or not at all.
    if (own === owner || (trustees && owner === deletedFiles)) continue;
    findings.add(
      strict ? 'record-page' : 'record-page-mixed',
      `Record ${number} of ${named(own)} stands on a page of ${named(owner)}.`,
      { record: number, owner: own, pageOwner: owner },
    );
  }
}

function ownerOf(record: Buffer, number: number, index: RecordIndex): Owned | null {
  const plain = { number, trustees: false };
  const type = record.readUInt32LE(0);
  if (type === recordTypes.free) return null;
  if (type === recordTypes.trustees) {
    return { number, owner: parseTrustees(record).directory, strict: true, trustees: true };
  }
  if (type === recordTypes.restriction) {
    return { ...plain, owner: parseRestriction(record).directory, strict: true };
  }
  if (!isNamed(record)) return { ...plain, owner: 0, strict: false };
  const { deleted, parent, nameSpace, primary } = parseNamed(record);
  if (parent >= mostRecords) return null;
  // A name goes with its file, whose DOS record alone says where that is.
  const role = nameSpace === 0 ? roles.other : index.role(primary);
  const gone = deleted || role === roles.deletedFile || role === roles.deletedDirectory;
  if (gone) return { ...plain, owner: deletedFiles, strict: nameSpace === 0 };
  const isObject = role === roles.file || role === roles.directory;
  return { ...plain, owner: isObject ? index.parent(primary) : parent, strict: false };
}

const named = (owner: number): string => (owner === deletedFiles ? 'deleted files' : `directory ${owner}`);
