import { isCoded, RemetalError } from '../errors/index.ts';
import type { RecordPlace, RecordSource } from '../medium/medium.ts';
import { FoundContents } from './found-contents.ts';
import { MetSums } from './met-sums.ts';
import {
  contentsSchema,
  decodeDocument,
  endSchema,
  setIdText,
  type Contents,
  type End,
  type Place,
} from './documents.ts';
import type { RecordHeader } from './header.ts';
import { decodeRecord, plainOf, type StoredRecord } from './record.ts';
import { ProblemList } from './problem-list.ts';
import { scanSet, type Scan } from './scan.ts';
import type { Kind } from './structures.ts';
import { PlaceIndex } from './tables.ts';

const frontKinds: ReadonlySet<Kind> = new Set(['head', 'layout', 'map']);

/** What must hold of a record for it to be the one that was looked for. */
export interface Wanted {
  /** Null where any will do. */
  readonly ordinal: number | null;
  readonly kinds: readonly Kind[];
}

/** The records of one set by their ordinals: by its index, and where that fails by scanning. */
export class SetSource {
  readonly setId: Buffer;
  readonly problems = new ProblemList();
  readonly #source: RecordSource;
  #contents: Contents | null = null;
  #places: PlaceIndex | null = null;
  #scan: Scan | null = null;
  /** Where the medium stands: the end of the record read last. */
  #at: RecordPlace | null = null;
  /** The records that describe the set, kept while it is opened from the front; and always the one read last. */
  #front: Map<number, StoredRecord> | null = null;
  #latest: StoredRecord | null = null;
  readonly #toRetain: { readonly first: number; readonly end: number }[] = [];
  readonly #retained = new Map<number, StoredRecord | RemetalError>();
  /** Checksums of the groups that were read, where the table of the set lies a journey away. */
  readonly sums: MetSums | null;

  constructor(source: RecordSource, setId: Buffer) {
    this.#source = source;
    this.setId = setId;
    this.sums = source.record === undefined ? null : new MetSums();
  }

  /** True where the medium finds records by their ordinals, and going back and forth costs dearly. */
  get byOrdinal(): boolean {
    return this.#source.record !== undefined;
  }

  get bytes(): number {
    return this.#source.bytes;
  }

  get scanned(): boolean {
    return this.#scan !== null;
  }

  close(): Promise<void> {
    return this.#source.close();
  }

  /** The record at a place, when it is the one wanted. Throws `record-damaged` and `record-misplaced`. */
  async at(place: RecordPlace, wanted: Wanted): Promise<StoredRecord> {
    const facts = { ordinal: wanted.ordinal, part: place.part + 1, offset: place.offset };
    try {
      if (this.#source.record !== undefined && wanted.ordinal !== null) {
        const record = await this.#recordOf(wanted.ordinal);
        this.#check(record.header, wanted);
        return record;
      }
      if (this.#at?.part !== place.part || this.#at.offset !== place.offset) await this.#source.seek(place);
      this.#at = null;
      const member = await this.#source.next();
      if (member === null) throw new RemetalError('record-missing', 'No record is where one should be.');
      this.#at = { part: place.part, offset: place.offset + member.length };
      const record = decodeRecord(member);
      this.#check(record.header, wanted);
      return record;
    } catch (error) {
      if (!isCoded(error, 'record-damaged', 'record-misplaced', 'record-missing', 'set-truncated'))
        throw error;
      throw new RemetalError(error.code, error.message, {
        facts: { ...error.facts, ...facts },
        cause: error,
      });
    }
  }

  async #recordOf(ordinal: number): Promise<StoredRecord> {
    const latest = this.#latest?.header.ordinal;
    const known =
      latest === ordinal ? this.#latest! : (this.#front?.get(ordinal) ?? this.#retained.get(ordinal));
    if (known !== undefined) {
      if (known instanceof RemetalError) throw known;
      return known;
    }
    for (const passed of this.#passedOver(latest ?? -1, ordinal)) {
      // What is damaged is told when it is asked for.
      const record = await this.#fetch(passed).catch((error: unknown) => {
        if (isDamage(error)) return error;
        throw error;
      });
      this.#retained.set(passed, record);
    }
    const record = await this.#fetch(ordinal);
    if (this.#isRetained(ordinal)) this.#retained.set(ordinal, record);
    return record;
  }

  async #fetch(ordinal: number): Promise<StoredRecord> {
    this.#at = null;
    const member = await this.#source.record!(ordinal);
    if (member === null) throw new RemetalError('record-missing', `The set ends before record ${ordinal}.`);
    const record = decodeRecord(member);
    this.#latest = record;
    return record;
  }

  /**
   * Records that will be asked for after others that lie behind them: they are kept when the medium comes by,
   * so that one pass serves.
   */
  retain(firstOrdinal: number, count: number): void {
    this.#toRetain.push({ first: firstOrdinal, end: firstOrdinal + count });
    const latest = this.#latest;
    if (latest !== null && this.#isRetained(latest.header.ordinal)) {
      this.#retained.set(latest.header.ordinal, latest);
    }
  }

  #isRetained(ordinal: number): boolean {
    return this.#toRetain.some(({ first, end }) => ordinal >= first && ordinal < end);
  }

  /** The records to be kept that lie between two ordinals and are not kept yet. */
  #passedOver(from: number, to: number): number[] {
    const out: number[] = [];
    for (const { first, end } of this.#toRetain) {
      for (let ordinal = Math.max(first, from + 1); ordinal < Math.min(end, to); ordinal++) {
        if (!this.#retained.has(ordinal)) out.push(ordinal);
      }
    }
    return out.toSorted((a, b) => a - b);
  }

  /** A numbered record, wherever it lies; by the index of the set where the medium does not find it by itself. */
  async numbered(ordinal: number, kinds: readonly Kind[]): Promise<StoredRecord> {
    if (this.byOrdinal) return this.at({ part: 0, offset: 0 }, { ordinal, kinds });
    const place = (await this.places()).get(ordinal);
    if (place === null) throw new RemetalError('record-missing', `Record ${ordinal} is missing.`);
    return this.at(place, { ordinal, kinds });
  }

  /**
   * Reads the records that describe the set from its front: head, layout, block maps, one after the other.
   * What stands behind the data is left unread.
   */
  async readFront(): Promise<void> {
    const front = new Map<number, StoredRecord>();
    const contents = new FoundContents();
    for (let ordinal = 0; ; ordinal++) {
      const record = await this.#recordOf(ordinal);
      const { kind } = record.header;
      if (!frontKinds.has(kind)) break;
      this.#check(record.header, { ordinal, kinds: [kind] });
      contents.met(record.header, { part: 0, offset: 0 });
      front.set(ordinal, record);
    }
    this.#front = front;
    this.#contents = contents.contents(setIdText(this.setId));
  }

  /** Lets go of what `readFront` kept. */
  forgetFront(): void {
    this.#front = null;
  }

  #check(header: RecordHeader, wanted: Wanted): void {
    const own = header.setId.equals(this.setId);
    const numbered = wanted.ordinal === null || header.ordinal === wanted.ordinal;
    if (own && numbered && wanted.kinds.includes(header.kind)) return;
    const other = own ? `record ${header.ordinal}` : 'a record of another set';
    throw new RemetalError('record-misplaced', `In the place of record ${wanted.ordinal} stands ${other}.`, {
      facts: { found: header.ordinal, foundKind: header.kind },
    });
  }

  /** Plain bytes of the record at a place; zeros are not expected. */
  async plainAt(place: Place, kind: Kind): Promise<Buffer> {
    const plain = await plainOf(await this.at(place, { ordinal: place.ordinal, kinds: [kind] }));
    return plain ?? Buffer.alloc(0);
  }

  /** Reads the contents record the end record names. */
  async follow(end: End): Promise<void> {
    const bytes = await this.plainAt(end.contents, 'contents');
    this.#contents = decodeDocument(bytes, contentsSchema, 'contents record');
  }

  /** The record that closes the set. Throws `record-missing`. */
  async end(): Promise<End> {
    const member = await this.#source.last();
    const record = member === null ? null : decodeRecord(member);
    if (record?.header.kind !== 'end') {
      throw new RemetalError('record-missing', 'The record that closes the set is not there.');
    }
    this.#check(record.header, { ordinal: null, kinds: ['end'] });
    const plain = (await plainOf(record)) ?? Buffer.alloc(0);
    return decodeDocument(plain, endSchema, 'end record');
  }

  /** The contents with what stands behind the data, where `readFront` has left that unread. */
  async allContents(): Promise<Contents> {
    if (this.#contents?.index.length === 0 && !this.scanned) await this.follow(await this.end());
    return this.contents();
  }

  /** Reads the whole set once to find what it holds. */
  async scan(): Promise<Scan> {
    if (this.#scan === null) {
      this.#at = null;
      this.#scan = await scanSet(this.#source, this.setId, setIdText(this.setId));
      this.#contents = this.#scan.contents;
      this.#places = this.#scan.places;
      this.problems.push(...this.#scan.problems);
    }
    return this.#scan;
  }

  async contents(): Promise<Contents> {
    return this.#contents ?? (await this.scan()).contents;
  }

  /**
   * What `read` makes of the first of some places where it succeeds. When none does, the set is
   * scanned and the places found there are tried. Damage met on the way is kept in `problems`.
   */
  async first<Value>(
    pick: (contents: Contents) => readonly Place[],
    read: (place: Place) => Promise<Value>,
  ): Promise<Value> {
    for (;;) {
      const scanned = this.scanned;
      let failure: RemetalError | null = null;
      for (const place of pick(await this.contents())) {
        try {
          return await read(place);
        } catch (error) {
          if (!isDamage(error)) throw error;
          failure = error;
          this.problems.push(error);
        }
      }
      if (scanned)
        throw failure ?? new RemetalError('record-missing', 'A record that every set has is missing.');
      await this.scan();
    }
  }

  /** Where the records are, from the index of the set; by scanning where that is damaged. */
  async places(): Promise<PlaceIndex> {
    if (this.#places !== null) return this.#places;
    const index = new PlaceIndex(this.bytes);
    try {
      for (const place of (await this.contents()).index) index.add(await this.plainAt(place, 'index'));
      this.#places = index;
      return index;
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.problems.push(error);
      return (await this.scan()).places;
    }
  }
}

/** True for damage of the set, as against a medium that fails or a set that must be refused. */
export function isDamage(error: unknown): error is RemetalError {
  return isCoded(
    error,
    'record-damaged',
    'record-misplaced',
    'record-missing',
    'set-truncated',
    'part-missing',
  );
}
