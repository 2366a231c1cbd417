/**
 * A medium: where backup sets live. A set on a medium is one or more parts (files, cartridges); a
 * part is a sequence of records; a record is one whole tar member (header and payload, padded to
 * 512) and on tape exactly one block. A member is a pax extended header (type `x`), its text, a ustar
 * header (type `0`) and the content; the medium reads no more of it than these sizes.
 *
 * Contract, checked by `test/contract/medium.ts`:
 * - `append` keeps the whole record or nothing of it. `'end-of-medium'` is a value: the record was
 *   not kept, the part can still take `trailer` records, and the caller goes on with `nextPart`.
 * - When `append` has resolved the pieces may be used again; the place it gave stays true.
 * - The medium ends every part with the two zero blocks that end a tar.
 * - Nothing written is a set before `commit` has returned; what an interrupted backup leaves is
 *   listed with `complete: false` and never mistaken for a set.
 * - `commit` has made everything durable when it returns.
 * - The record that closes a part may find no room: `'end-of-medium'` again, and the part does without it,
 *   where the next part's label tells the same.
 * - Errors of the place itself are `medium-failed`, `medium-full`, `medium-not-found`, `part-missing`.
 */
export interface Medium {
  /** For messages, never with a secret in it. */
  readonly name: string;
  /** Present where a writer that pauses costs dearly: records are then gathered in a buffer first. */
  readonly buffering?: Buffering;
  /** The largest record it takes, bytes; a drive is asked, with the cartridge that is to be written. */
  recordLimit(): Promise<number>;
  list(): Promise<SetOnMedium[]>;
  /** Begins a set. `name` is unique on the medium, made of `[A-Za-z0-9._-]`; `setId` is its UUID. */
  create(name: string, setId: string): Promise<RecordSink>;
  open(name: string): Promise<RecordSource>;
  /** What moving the medium has cost so far; absent where nothing moves. */
  movements?(): MediumMovements;
  close(): Promise<void>;
}

/** How records are gathered for a medium that has to be fed without a pause. */
export interface Buffering {
  /** Bytes of the buffer. */
  readonly bytes: number;
  /** Share of it, 0 to 1, that is full before writing begins, and begins again after the buffer ran empty. */
  readonly start: number;
}

/** What a medium that moves has done. */
export interface MediumMovements {
  /** Cartridges that were made ready. */
  readonly loads: number;
  /** Times the tape was sent to another place within a part of a set, instead of reading or writing on. */
  readonly repositionings: number;
}

/** Bytes of the record that closes a part: the last of every part, so that it is found from the end. */
export const closingRecordSize = 4096;

/** How the tar name of the record that closes a whole set ends; a part that goes on closes with another. */
export const closingRecordSuffix = '.end.json';

/** What a set may be called on a medium. */
export const setNamePattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/;

export interface SetOnMedium {
  readonly name: string;
  /** True when it was committed, every part is there and the last one is closed. */
  readonly complete: boolean;
  /** True where the parts that can be seen are whole and the rest lies on cartridges that cannot. */
  readonly continues?: boolean;
  readonly parts: number;
  /** What its label says, on media where opening a set to ask is a journey. */
  readonly made?: SetMade;
  /** Bytes it takes on the medium; null where only reading all of it would tell. */
  readonly bytes: number | null;
}

/** Who made a set, and when. */
export interface SetMade {
  readonly setId: string;
  /** What the machine is called. */
  readonly name: string;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  /** The earlier sets it needs, oldest first. */
  readonly chain: readonly { readonly setId: string; readonly name: string }[];
}

/** Where a record lies: its part, counted from 0, and the byte offset in it; on tape the bytes of the blocks before it. */
export interface RecordPlace {
  readonly part: number;
  readonly offset: number;
}

export interface RecordSink {
  /** Appends one record given as pieces. Resolves with its place, or `'end-of-medium'`. */
  append(pieces: readonly Uint8Array[]): Promise<RecordPlace | 'end-of-medium'>;
  /** Closes the part and opens the next. Throws `medium-full` where there is none. */
  nextPart(): Promise<void>;
  /** Ends the set: durable, and from now on listed as complete. */
  commit(): Promise<void>;
  /** Leaves the set incomplete; safe to call after anything. */
  abort(): Promise<void>;
}

export interface RecordSource {
  /** Parts of the set, the missing ones counted too. */
  readonly parts: number;
  /** Numbers of parts that are not there, from 0; going to one is `part-missing`. */
  readonly missing: readonly number[];
  /** False for what an interrupted backup left. */
  readonly committed: boolean;
  /** Bytes on the medium. */
  readonly bytes: number;
  /** Where the record last returned begins, or where `next` met damage. */
  readonly place: RecordPlace;
  /**
   * The next record of the current part, or null at its end. The buffer is the caller's for good.
   * A torn last record is `set-truncated`. Where no record begins, `record-damaged`; called again it
   * goes on at the next place in the part that looks like one.
   */
  next(): Promise<Buffer | null>;
  /** Goes to a place; the next `next()` reads there. */
  seek(place: RecordPlace): Promise<void>;
  /**
   * The numbered record `ordinal`, from whatever part holds it; null where the set ends before it. Present on
   * media that find records by their ordinal and are read from the front: going to `last()` costs a journey.
   * Where a block cannot be read, `record-damaged`.
   */
  record?(ordinal: number): Promise<Buffer | null>;
  /** The record that closes the last part, from which a reader finds everything else; null where there is none. */
  last(): Promise<Buffer | null>;
  close(): Promise<void>;
}
