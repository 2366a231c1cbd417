import { createHash } from 'node:crypto';
import { formatBytes, tarBlock } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import { closingRecordSize, type Buffering, type RecordSink } from '../medium/medium.ts';
import { RecordRing } from '../medium/ring.ts';
import type { BufferReport } from '../progress/index.ts';
import { encodeDocument, setIdBytes, type Place } from './documents.ts';
import type { RecordHeader } from './header.ts';
import { encodeRecord, sumOf } from './record.ts';
import type { SetHead } from './set.ts';
import { digestedKinds, groupKinds, type Kind } from './structures.ts';
import { PlaceLog } from './tables.ts';

/** What a caller says of a record; the stream adds set, ordinal and lengths. */
export type RecordFields = Pick<RecordHeader, 'kind' | 'codec' | 'plainLength' | 'sum'> &
  Partial<Pick<RecordHeader, 'copy' | 'volume' | 'index' | 'extents' | 'unreadable'>>;

export interface StreamOptions {
  readonly sink: RecordSink;
  readonly recordLimit: number;
  /** Null for a medium that may be kept waiting. */
  readonly buffering: Buffering | null;
  readonly head: SetHead;
  /** Folder of the tar names: the name of the set. */
  readonly name: string;
}

/** A record on its way to the medium. */
interface OnItsWay {
  readonly ordinal: number;
  readonly length: number;
  /** Whether `placeOf` will be asked for it. */
  readonly named: boolean;
}

/**
 * Numbers records, labels and closes parts, goes on with the next part at the end of one. Records may be
 * under way in a buffer: where they lie is known after `settle`. One call at a time.
 */
export class RecordStream {
  readonly #places = new PlaceLog();
  /** Of the records that the contents name. */
  readonly #named = new Map<number, Place>();
  readonly #options: StreamOptions;
  readonly #setId: Buffer;
  readonly #mtime: number;
  readonly #digest = createHash('sha256');
  readonly #ring: RecordRing<OnItsWay> | null;
  #ordinal = 0;
  #part = 0;
  #stored = 0;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#setId = setIdBytes(options.head.setId);
    this.#mtime = Math.floor(Date.parse(options.head.createdAt) / 1000);
    this.#ring =
      options.buffering === null
        ? null
        : new RecordRing(options.buffering, options.recordLimit, (record, way) => this.#store([record], way));
  }

  get nextOrdinal(): number {
    return this.#ordinal;
  }

  /** Bytes of all records. */
  get stored(): number {
    return this.#stored;
  }

  /** Null where there is no buffer. */
  get buffer(): BufferReport | null {
    return this.#ring?.report ?? null;
  }

  /** Parts begun; all of them after `settle`. */
  get parts(): number {
    return this.#part + 1;
  }

  /** The digest over what was appended so far; no more may follow that it covers. */
  digest(): string {
    return this.#digest.digest('hex');
  }

  #encode(ordinal: number, fields: RecordFields, payload: Uint8Array): Uint8Array[] {
    const header: RecordHeader = {
      copy: false,
      volume: null,
      index: 0,
      extents: [],
      unreadable: [],
      ...fields,
      setId: this.#setId,
      ordinal,
      storedLength: payload.length,
    };
    return encodeRecord(header, payload, { folder: this.#options.name, mtime: this.#mtime });
  }

  /** Writes the label of the first part. */
  async begin(): Promise<void> {
    await this.#label(0);
  }

  async #label(firstOrdinal: number): Promise<void> {
    const { head, recordLimit } = this.#options;
    const part = this.#part + 1;
    const document = { format: 1, setId: head.setId, part, recordLimit, firstOrdinal, head };
    const pieces = this.#unnumbered('label', firstOrdinal, encodeDocument(document));
    if ((await this.#options.sink.append(pieces)) === 'end-of-medium') throw tooSmall(lengthOf(pieces));
    this.#stored += lengthOf(pieces);
  }

  #unnumbered(kind: Kind, ordinal: number, payload: Buffer): Uint8Array[] {
    return this.#encode(ordinal, { ...documentFields(kind, payload), index: this.#part + 1 }, payload);
  }

  async #nextPart(nextOrdinal: number): Promise<void> {
    const { head, sink } = this.#options;
    const document = { format: 1, setId: head.setId, part: this.#part + 1, nextOrdinal };
    const pieces = this.#unnumbered('more', nextOrdinal, padToClosing(encodeDocument(document)));
    if ((await sink.append(pieces)) !== 'end-of-medium') this.#stored += lengthOf(pieces);
    await sink.nextPart();
    this.#part++;
    await this.#label(nextOrdinal);
  }

  /** Gives the medium the next numbered record, in a new part where the present one has no room. */
  async #store(pieces: readonly Uint8Array[], { ordinal, length, named }: OnItsWay): Promise<void> {
    const { sink } = this.#options;
    let place = await sink.append(pieces);
    if (place === 'end-of-medium') {
      await this.#nextPart(ordinal);
      place = await sink.append(pieces);
      if (place === 'end-of-medium') throw tooSmall(length);
    }
    this.#places.push(place, length);
    if (named) this.#named.set(ordinal, { ordinal, ...place });
    this.#stored += length;
  }

  /** Appends the next numbered record; gives its ordinal and its bytes on the medium. */
  async append(
    fields: RecordFields,
    payload: Uint8Array,
  ): Promise<{ readonly ordinal: number; readonly length: number }> {
    const ordinal = this.#ordinal;
    const pieces = this.#encode(ordinal, fields, payload);
    const length = lengthOf(pieces);
    if (length > this.#options.recordLimit) throw tooSmall(length);
    const way = { ordinal, length, named: !groupKinds.has(fields.kind) };
    if (this.#ring === null) await this.#store(pieces, way);
    else await this.#ring.put(pieces, way);
    this.#ordinal++;
    if (digestedKinds.has(fields.kind) && fields.copy !== true) this.#digest.update(fields.sum);
    return way;
  }

  /** Appends a JSON document; gives its ordinal. */
  async document(kind: Kind, value: unknown, copy = false): Promise<number> {
    const payload = encodeDocument(value);
    return (await this.append({ ...documentFields(kind, payload), copy }, payload)).ordinal;
  }

  /** Appends the record that closes the set, of the size all closing records have. */
  async close(value: unknown): Promise<void> {
    const payload = padToClosing(encodeDocument(value));
    await this.append(documentFields('end', payload), payload);
    await this.settle();
  }

  /** Everything appended has been given to the medium when this resolves. */
  async settle(): Promise<void> {
    await this.#ring?.flush();
  }

  /** Nothing is under way any more when this resolves; what was in the buffer is dropped. */
  async stop(): Promise<void> {
    await this.#ring?.stop();
  }

  /** The place of a record other than a group that was given to the medium. */
  placeOf(ordinal: number): Place {
    const place = this.#named.get(ordinal);
    if (place !== undefined) return place;
    throw new RemetalError('internal', `The place of record ${ordinal} is not known yet.`);
  }

  /** Where all records so far lie, in pieces; after `settle`. */
  index(pieceLength: number): { firstEntry: number; bytes: Buffer }[] {
    return this.#places.pieces(pieceLength);
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
