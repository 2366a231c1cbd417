import { RemetalError } from '../errors/index.ts';
import type { VolumePlace } from './documents.ts';
import { GroupIndex } from './map.ts';
import { plainOf } from './record.ts';
import type { SetSource } from './set-source.ts';
import { checksumLength } from './structures.ts';

/** What the set's table says of one group. */
export interface GroupChecksum {
  readonly index: number;
  /** The first 16 bytes of the SHA-256 of the plain bytes. */
  readonly digest: Buffer;
}

/** The entries of a volume in the table of checksums, which goes over all `volumes` of the set in order. */
export async function* readChecksums(
  records: SetSource,
  volumes: readonly VolumePlace[],
  volume: VolumePlace,
): AsyncGenerator<GroupChecksum, void, undefined> {
  const { sums } = records;
  const { groupCount } = new GroupIndex(volume.map);
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
    const bytes = await pieceAt(records, checksums[piece], piece, piece * checksumEntries);
    const from = piece * checksumEntries;
    const to = Math.min(end, from + bytes.length / checksumLength);
    if (to <= entry) throw broken(piece);
    for (; entry < to; entry++) {
      const at = (entry - from) * checksumLength;
      yield { index: entry - first, digest: bytes.subarray(at, at + checksumLength) };
    }
  }
}

async function pieceAt(
  records: SetSource,
  place: { ordinal: number; part: number; offset: number } | undefined,
  piece: number,
  firstEntry: number,
): Promise<Buffer> {
  if (place === undefined) throw broken(piece);
  const record = await records.at(place, { ordinal: place.ordinal, kinds: ['checksums'] });
  const bytes = await plainOf(record);
  if (record.header.index !== firstEntry || bytes === null || bytes.length % checksumLength !== 0) {
    throw broken(piece);
  }
  return bytes;
}

function broken(piece: number): RemetalError {
  return new RemetalError('record-damaged', 'Table of checksums is damaged.', { facts: { piece } });
}
