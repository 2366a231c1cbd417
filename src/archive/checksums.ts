import { RemetalError } from '../errors/index.ts';
import type { VolumePlace } from './documents.ts';
import { GroupIndex } from './map.ts';
import type { Codec } from './codec.ts';
import { readGroups, type GroupSource } from './groups.ts';
import { plainOf } from './record.ts';
import type { SetSource } from './set-source.ts';
import { checksumLength } from './structures.ts';

/** What the set's table says of one group. */
export interface GroupChecksum {
  readonly index: number;
  /** The first 16 bytes of the SHA-256 of the plain bytes. */
  readonly digest: Buffer;
}

/**
 * What the groups of a volume are, ascending: those of the set itself by its table, which goes over all `volumes` of
 * the set in order; of those in earlier sets what was read, or where they were not read yet, what is read now.
 */
export async function* readChecksums(
  source: GroupSource,
  volumes: readonly VolumePlace[],
  codec: Codec | null,
): AsyncGenerator<GroupChecksum, void, undefined> {
  yield* ownChecksums(source, volumes);
  const { ownGroups: from, groupCount } = source.index;
  const { earlierSums } = source;
  if (!earlierSums.hasAll(0, groupCount - from)) {
    for await (const { release } of readGroups(source, { from, onDamage: 'report', codec })) release?.();
  }
  for (let index = from; index < groupCount; index++) yield { index, digest: earlierSums.get(index - from) };
}

async function* ownChecksums(
  { records, volume, index: { ownGroups: groupCount } }: GroupSource,
  volumes: readonly VolumePlace[],
): AsyncGenerator<GroupChecksum, void, undefined> {
  const { sums } = records;
  if (sums?.hasAll(volume.firstOrdinal, groupCount) === true) {
    for (let index = 0; index < groupCount; index++) {
      yield { index, digest: sums.get(volume.firstOrdinal + index) };
    }
    return;
  }
  const { checksums, checksumEntries } = await records.allContents();
  const before = volumes.slice(0, volumes.indexOf(volume));
  const first = before.reduce((sum, { map }) => sum + new GroupIndex(map).groupCount, 0);
  const end = first + groupCount;
  for (let entry = first; entry < end;) {
    const piece = Math.floor(entry / checksumEntries);
    const bytes = await pieceAt(records, checksums[piece], piece * checksumEntries, 'checksums');
    const from = piece * checksumEntries;
    const to = Math.min(end, from + bytes.length / checksumLength);
    if (to <= entry) throw broken(from);
    for (; entry < to; entry++) {
      const at = (entry - from) * checksumLength;
      yield { index: entry - first, digest: bytes.subarray(at, at + checksumLength) };
    }
  }
}

/** The table of sums of a set, in pieces of whole entries. */
export async function* readSums(records: SetSource): AsyncGenerator<Buffer, void, undefined> {
  const { sums, sumEntries } = await records.allContents();
  for (const [piece, place] of sums.entries()) {
    yield await pieceAt(records, place, piece * sumEntries, 'sums');
  }
}

async function pieceAt(
  records: SetSource,
  place: { ordinal: number; part: number; offset: number } | undefined,
  firstEntry: number,
  kind: 'checksums' | 'sums',
): Promise<Buffer> {
  if (place === undefined) throw broken(firstEntry);
  const record = await records.at(place, { ordinal: place.ordinal, kinds: [kind] });
  const bytes = await plainOf(record);
  if (record.header.index !== firstEntry || bytes === null || bytes.length % checksumLength !== 0) {
    throw broken(firstEntry);
  }
  return bytes;
}

function broken(firstEntry: number): RemetalError {
  return new RemetalError('record-damaged', 'Table of checksums is damaged.', { facts: { firstEntry } });
}
