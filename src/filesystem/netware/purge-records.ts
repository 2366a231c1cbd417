import { recordSize, recordsPerPage } from './geometry.ts';
import { roles } from './index-of-records.ts';
import { Marks } from './marks.ts';
import { extendedStamps, mostExtents, storedName } from './names.ts';
import { isNamed, parseNamed, parseRestriction, parseTrustees, recordTypes } from './records.ts';
import type { Structures } from './structures.ts';

/** The records that become free when deleted files are purged. */
export interface PurgedRecords {
  /** Of the directory. */
  readonly directory: Marks;
  /** Of the extended directory. */
  readonly extended: Marks;
}

type Visit = (number: number, record: Buffer) => Promise<void> | void;

/**
 * Finds the records of deleted files: DOS records, those of the other name spaces, trustees, and the rests of
 * long names. A record that a live file leads to stays, whatever it says itself, and so does a deleted
 * directory with something live in it. Records of extended attributes stay too: how many there are of a file
 * is documented nowhere, and with nobody leading to them they are in nobody's way.
 */
export async function purgedRecords(structures: Structures): Promise<PurgedRecords> {
  const objects = deletedObjects(structures);
  const kept = await ledToByLive(structures);
  const directory = new Marks(structures.index.records);
  for (const number of objects) directory.add(number);
  await everyRecord(structures, (number, record) => {
    const object = objectOf(structures, number, record);
    if (object !== null && objects.has(object) && !kept.has(number)) directory.add(number);
  });
  return { directory, extended: await restsOfNames(structures, directory) };
}

async function everyRecord({ directory }: Structures, visit: Visit): Promise<void> {
  for (let page = 0; page < directory.pages; page++) {
    const bytes = await directory.page(page);
    if (bytes === null) continue;
    for (let i = 0; i < recordsPerPage; i++) {
      await visit(page * recordsPerPage + i, bytes.subarray(i * recordSize, (i + 1) * recordSize));
    }
  }
}

function deletedObjects({ index }: Structures): Marks {
  const objects = new Marks(index.records);
  for (const number of index.ofRole(roles.deletedFile, roles.deletedDirectory)) objects.add(number);
  for (const number of index.ofRole(roles.file, roles.directory)) objects.delete(index.parent(number));
  return objects;
}

/** The file or directory a record speaks of that is not its DOS record; null for any other record. */
function objectOf({ index }: Structures, number: number, record: Buffer): number | null {
  switch (index.role(number)) {
    case roles.name:
      return parseNamed(record).primary;
    case roles.trustees:
      return parseTrustees(record).of;
    default:
      return record.readUInt32LE(0) === recordTypes.restriction ? parseRestriction(record).directory : null;
  }
}

/* A server refuses a volume where the list of a live file leads to a free record (nwdir.c, LinkVolumeNameSpaces). */
async function ledToByLive(structures: Structures): Promise<Marks> {
  const { directory, index, root } = structures;
  const kept = new Marks(index.records);
  const follow = async (
    first: number,
    role: typeof roles.name | typeof roles.trustees,
    next: (record: Buffer) => number,
  ): Promise<void> => {
    for (let at = first; index.role(at) === role && !kept.has(at);) {
      kept.add(at);
      const record = await directory.record(at);
      if (record === null) return;
      at = next(record);
    }
  };
  const trustees = (first: number): Promise<void> =>
    follow(first, roles.trustees, (record) => parseTrustees(record).next);
  await trustees(root.nextTrustees);
  await everyRecord(structures, async (number, record) => {
    const role = index.role(number);
    if (role !== roles.file && role !== roles.directory) return;
    const { subdirectory, nameList } = parseNamed(record);
    await follow(nameList, roles.name, (name) => parseNamed(name).nameList);
    await trustees(record.readUInt32LE(subdirectory ? 44 : 56));
  });
  return kept;
}

const restStamps = new Map<number, number>([
  [2, extendedStamps.nfsName],
  [4, extendedStamps.longName],
  [5, extendedStamps.ntName],
]);

/** The rests of the names among `purged`, less what any other record leads to. */
async function restsOfNames(structures: Structures, purged: Marks): Promise<Marks> {
  const { directory, extended, index } = structures;
  const rests = new Marks(extended?.records ?? 0);
  if (extended === null) return rests;
  const kept = new Marks(extended.records);
  // Record 0 is never anybody's.
  kept.add(0);
  await everyRecord(structures, (number, record) => {
    if (purged.has(number)) return;
    if (index.role(number) === roles.name) {
      const { rest, extents } = storedName(record, parseNamed(record).nameSpace);
      for (let i = 0; i < extents; i++) kept.add(rest + i);
    } else if (isNamed(record) || number === 0) {
      kept.add(record.readUInt32LE(112));
    }
  });
  for (const number of purged) {
    const record = index.role(number) === roles.name ? await directory.record(number) : null;
    if (record === null) continue;
    const { nameSpace } = parseNamed(record);
    const { rest, extents } = storedName(record, nameSpace);
    if (extents < 1 || extents > mostExtents || kept.hasAny(rest, extents)) continue;
    const stamp = (await extended.record(rest))?.readUInt32LE(0);
    if (stamp === undefined || stamp !== restStamps.get(nameSpace)) continue;
    for (let i = 0; i < extents; i++) rests.add(rest + i);
  }
  return rests;
}
