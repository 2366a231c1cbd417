/**
 * A medium: where backup sets live. A set on a medium is one or more parts (files, cartridges); a
 * part is a sequence of records; a record is one whole tar member (header and payload, padded to
 * 512) and on tape exactly one block.
 *
 * Contract, checked by `test/contract/medium.ts`:
 * - `append` keeps the whole record or nothing of it. `'end-of-medium'` is a value: the record was
 *   not kept, the part can still take `trailer` records, and the caller goes on with `nextPart`.
 * - Nothing written is a set before `commit` has returned; what an interrupted backup leaves is
 *   listed with `complete: false` and never mistaken for a set.
 * - `commit` has made everything durable when it returns.
 * - Errors of the place itself are `medium-failed`, `medium-full`, `medium-not-found`, `part-missing`.
 */
export interface Medium {
  /** For messages, never with a secret in it. */
  readonly name: string;
  /** The largest record it takes, bytes. */
  readonly recordLimit: number;
  list(): Promise<SetOnMedium[]>;
  /** Begins a set. `name` is unique on the medium, made of `[A-Za-z0-9._-]`. */
  create(name: string): Promise<RecordSink>;
  open(name: string): Promise<RecordSource>;
  close(): Promise<void>;
}

export interface SetOnMedium {
  readonly name: string;
  readonly complete: boolean;
  readonly parts: number;
  /** Bytes it takes on the medium. */
  readonly bytes: number;
}

/** Where a record lies: its part, counted from 0, and the byte offset in it (0 on tape). */
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
  /** Parts that are there. */
  readonly parts: number;
  /** The next record of the current part, or null at its end. A torn last record is `set-truncated`. */
  next(): Promise<Buffer | null>;
  /** Goes to a place; the next `next()` reads there. */
  seek(place: RecordPlace): Promise<void>;
  /** The last record of the last part, from which a reader finds everything else; null where there is none. */
  last(): Promise<Buffer | null>;
  close(): Promise<void>;
}
