import { readUint, tarBlock, VarintReader, VarintWriter, writeUint } from '../bytes/index.ts';
import { isCoded, RemetalError } from '../errors/index.ts';
import type { RecordPlace } from '../medium/medium.ts';
import { checksumLength, tablePieceLength } from './structures.ts';

/** The table of checksums while it grows: 16 bytes a group, in slabs, so that growing copies nothing. */
export class ChecksumTable {
  readonly #slabs: Buffer[] = [];
  readonly #pieceLength: number;
  #count = 0;

  /** `pieceLength` is a multiple of the length of an entry. */
  constructor(pieceLength: number = tablePieceLength) {
    this.#pieceLength = pieceLength;
  }

  get count(): number {
    return this.#count;
  }

  push(sum: Uint8Array): void {
    const at = (this.#count * checksumLength) % this.#pieceLength;
    if (at === 0) this.#slabs.push(Buffer.alloc(this.#pieceLength));
    this.#slabs.at(-1)!.set(sum.subarray(0, checksumLength), at);
    this.#count++;
  }

  /** The table in pieces; piece `n` begins with entry `n * pieceLength / checksumLength`. */
  pieces(): { firstEntry: number; bytes: Buffer }[] {
    const perSlab = this.#pieceLength / checksumLength;
    return this.#slabs.map((slab, i) => ({
      firstEntry: i * perSlab,
      bytes: slab.subarray(0, Math.min(this.#pieceLength, (this.#count - i * perSlab) * checksumLength)),
    }));
  }
}

interface Run {
  readonly firstOrdinal: number;
  readonly part: number;
  readonly offset: number;
}

const lengthsPerSlab = 65536;

/**
 * Where numbered records lie: a run begins with each part, inside it every record follows the one
 * before. Four bytes a record while writing. Byte table: docs/format.md, "Index".
 */
export class PlaceLog {
  readonly #runs: Run[] = [];
  readonly #slabs: Uint32Array[] = [];
  #count = 0;

  /** The next ordinal's record of `length` bytes lies at `place`. */
  push(place: RecordPlace, length: number): void {
    if (this.#runs.at(-1)?.part !== place.part) this.#runs.push({ firstOrdinal: this.#count, ...place });
    if (this.#count % lengthsPerSlab === 0) this.#slabs.push(new Uint32Array(lengthsPerSlab));
    this.#slabs.at(-1)![this.#count % lengthsPerSlab] = length / tarBlock;
    this.#count++;
  }

  /** The index in pieces, each at most `pieceLength` long, that can each be read alone. */
  pieces(pieceLength: number = tablePieceLength): { firstEntry: number; bytes: Buffer }[] {
    const out: { firstEntry: number; bytes: Buffer }[] = [];
    for (const [i, run] of this.#runs.entries()) {
      const end = this.#runs[i + 1]?.firstOrdinal ?? this.#count;
      let { offset } = run;
      for (let ordinal = run.firstOrdinal; ordinal < end;) {
        const lengths = new VarintWriter();
        const head = Buffer.alloc(runHeadLength);
        writeUint(head, 0, 8, ordinal, 'first ordinal');
        writeUint(head, 8, 8, offset, 'offset');
        writeUint(head, 16, 4, run.part, 'part');
        const firstEntry = ordinal;
        for (; ordinal < end && runHeadLength + lengths.length + 8 <= pieceLength; ordinal++) {
          const length = this.#slabs[Math.floor(ordinal / lengthsPerSlab)]![ordinal % lengthsPerSlab]!;
          lengths.push(length);
          offset += length * tarBlock;
        }
        writeUint(head, 20, 4, ordinal - firstEntry, 'count');
        out.push({ firstEntry, bytes: Buffer.concat([head, lengths.bytes()]) });
      }
    }
    return out;
  }
}

const runHeadLength = 24;
/** Two tar headers and one block of extended header. */
export const smallestRecord = 3 * tarBlock;

const placesPerSlab = 65536;
/** Slabs allowed beyond what the records can fill: ordinals have gaps where parts are missing. */
export const sparseSlabs = 64;

/** Ordinals to places, ten bytes a record, kept in slabs that are made when first needed. */
export class PlaceIndex {
  readonly #slabs = new Map<number, { offsets: Float64Array; parts: Uint16Array }>();

  readonly #maxSlabs: number;

  /** `mediumBytes` are the bytes of the whole set; they bound what is ever allocated, however wild the ordinals. */
  constructor(mediumBytes: number) {
    this.#maxSlabs = sparseSlabs + 2 * Math.ceil(mediumBytes / smallestRecord / placesPerSlab);
  }

  set(ordinal: number, place: RecordPlace): void {
    const number = Math.floor(ordinal / placesPerSlab);
    let slab = this.#slabs.get(number);
    if (slab === undefined) {
      if (this.#slabs.size >= this.#maxSlabs || place.part > 0xffff) return;
      slab = { offsets: new Float64Array(placesPerSlab).fill(-1), parts: new Uint16Array(placesPerSlab) };
      this.#slabs.set(number, slab);
    }
    slab.offsets[ordinal % placesPerSlab] = place.offset;
    slab.parts[ordinal % placesPerSlab] = place.part;
  }

  /** The place of a record, or null where none is known. */
  get(ordinal: number): RecordPlace | null {
    const slab = this.#slabs.get(Math.floor(ordinal / placesPerSlab));
    const offset = slab?.offsets[ordinal % placesPerSlab] ?? -1;
    return slab === undefined || offset < 0 ? null : { part: slab.parts[ordinal % placesPerSlab]!, offset };
  }

  /** Adds what one index record says. Throws `record-damaged`. */
  add(piece: Buffer): void {
    try {
      const reader = new VarintReader(piece.subarray(runHeadLength));
      const first = readUint(piece, 0, 8, 'first ordinal');
      const part = readUint(piece, 16, 4, 'part');
      const count = readUint(piece, 20, 4, 'count');
      let offset = readUint(piece, 8, 8, 'offset');
      if (count > reader.remaining || !Number.isSafeInteger(first + count)) throw broken();
      for (let i = 0; i < count; i++) {
        this.set(first + i, { part, offset });
        offset += reader.next() * tarBlock;
      }
      if (reader.remaining !== 0) throw broken();
    } catch (error) {
      throw isCoded(error, 'field-range') ? broken(error) : error;
    }
  }
}

function broken(cause?: unknown): RemetalError {
  return new RemetalError('record-damaged', 'Index of the set is damaged.', { cause });
}
