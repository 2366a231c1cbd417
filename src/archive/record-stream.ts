import { createHash } from 'node:crypto';
import { formatBytes, tarBlock } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import { closingRecordSize, type RecordSink } from '../medium/medium.ts';
import { encodeDocument, setIdBytes, type Place } from './documents.ts';
import type { RecordHeader } from './header.ts';
import { encodeRecord, sumOf } from './record.ts';
import type { SetHead } from './set.ts';
import { digestedKinds, type Kind } from './structures.ts';
import { PlaceLog } from './tables.ts';

/** What a caller says of a record; the stream adds set, ordinal and lengths. */
export type RecordFields = Pick<RecordHeader, 'kind' | 'codec' | 'plainLength' | 'sum'> &
  Partial<Pick<RecordHeader, 'copy' | 'volume' | 'index' | 'extents' | 'unreadable'>>;

export interface StreamOptions {
  readonly sink: RecordSink;
  readonly recordLimit: number;
  readonly head: SetHead;
  /** Folder of the tar names: the name of the set. */
  readonly name: string;
}

/** Numbers records, labels and closes parts, goes on with the next part at the end of one. One call at a time. */
export class RecordStream {
  readonly places = new PlaceLog();
  readonly #options: StreamOptions;
  readonly #setId: Buffer;
  readonly #mtime: number;
  readonly #digest = createHash('sha256');
  #ordinal = 0;
  #part = 0;
  #stored = 0;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#setId = setIdBytes(options.head.setId);
    this.#mtime = Math.floor(Date.parse(options.head.createdAt) / 1000);
  }

  get nextOrdinal(): number {
    return this.#ordinal;
  }

  /** Bytes of all records. */
  get stored(): number {
    return this.#stored;
  }

  get parts(): number {
    return this.#part + 1;
  }

  /** The digest over what was appended so far; no more may follow that it covers. */
  digest(): string {
    return this.#digest.digest('hex');
  }

  #encode(fields: RecordFields, payload: Uint8Array): Uint8Array[] {
    const header: RecordHeader = {
      copy: false,
      volume: null,
      index: 0,
      extents: [],
      unreadable: [],
      ...fields,
      setId: this.#setId,
      ordinal: this.#ordinal,
      storedLength: payload.length,
    };
    return encodeRecord(header, payload, { folder: this.#options.name, mtime: this.#mtime });
  }

  /** Writes the label of the current part. */
  async label(): Promise<void> {
    const { head, recordLimit } = this.#options;
    const part = this.#part + 1;
    const document = { format: 1, setId: head.setId, part, recordLimit, firstOrdinal: this.#ordinal, head };
    await this.#unnumbered('label', encodeDocument(document));
  }

  async #unnumbered(kind: Kind, payload: Buffer): Promise<void> {
    const fields = documentFields(kind, payload);
    const pieces = this.#encode({ ...fields, index: this.#part + 1 }, payload);
    if ((await this.#options.sink.append(pieces)) === 'end-of-medium') throw tooSmall(lengthOf(pieces));
    this.#stored += lengthOf(pieces);
  }

  async #nextPart(): Promise<void> {
    const document = {
      format: 1,
      setId: this.#options.head.setId,
      part: this.#part + 1,
      nextOrdinal: this.#ordinal,
    };
    await this.#unnumbered('more', padToClosing(encodeDocument(document)));
    await this.#options.sink.nextPart();
    this.#part++;
    await this.label();
  }

  /** Appends the next numbered record; gives its place and its bytes on the medium. */
  async append(fields: RecordFields, payload: Uint8Array): Promise<{ place: Place; length: number }> {
    const pieces = this.#encode(fields, payload);
    const length = lengthOf(pieces);
    if (length > this.#options.recordLimit) throw tooSmall(length);
    let place = await this.#options.sink.append(pieces);
    if (place === 'end-of-medium') {
      await this.#nextPart();
      place = await this.#options.sink.append(pieces);
      if (place === 'end-of-medium') throw tooSmall(length);
    }
    this.places.push(place, length);
    if (digestedKinds.has(fields.kind) && fields.copy !== true) this.#digest.update(fields.sum);
    this.#stored += length;
    return { place: { ordinal: this.#ordinal++, ...place }, length };
  }

  /** Appends a JSON document. */
  async document(kind: Kind, value: unknown, copy = false): Promise<Place> {
    const payload = encodeDocument(value);
    return (await this.append({ ...documentFields(kind, payload), copy }, payload)).place;
  }

  /** Appends the record that closes the set, of the size all closing records have. */
  async close(value: unknown): Promise<void> {
    const payload = padToClosing(encodeDocument(value));
    await this.append(documentFields('end', payload), payload);
  }
}

function documentFields(kind: Kind, payload: Buffer): RecordFields {
  return { kind, codec: 'plain', plainLength: payload.length, sum: sumOf(payload) };
}

function lengthOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0);
}

/** Pads JSON text with spaces so that its record is as long as closing records are: front of three tar blocks and the rest. */
function padToClosing(text: Buffer): Buffer {
  const out = Buffer.alloc(closingRecordSize - 3 * tarBlock, ' ');
  if (text.length > out.length) {
    throw new RemetalError('internal', 'Closing record does not fit its size.', {
      facts: { length: text.length },
    });
  }
  text.copy(out, 0, 0, text.length - 1);
  out[out.length - 1] = 0x0a;
  return out;
}

function tooSmall(length: number): RemetalError {
  return new RemetalError('medium-full', `Medium takes no record of ${formatBytes(length)}.`, {
    hint: 'Give a larger part size.',
    facts: { length },
  });
}
