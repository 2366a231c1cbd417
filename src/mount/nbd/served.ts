import type { BlockDevice } from '../../disk/index.ts';
import { isCoded } from '../../errors/index.ts';
import type { Notice } from '../../progress/index.ts';
import { extentTable, statesOf, type ExtentTable, type RunOfState } from './block-status.ts';
import { errnos, transmission, type Errno } from './protocol.ts';

/** A block device under a name. */
export interface NbdExport {
  readonly name: string;
  /** For people who list what is served. */
  readonly description: string;
  readonly device: BlockDevice;
  /** Writes are refused before they reach the device. */
  readonly readOnly: boolean;
}

/** What requests that came off the grid are told to keep to, bytes. */
export const preferredBlock = 4096;

/** An export with what all connections to it share. */
export class Served implements NbdExport {
  readonly name: string;
  readonly description: string;
  readonly device: BlockDevice;
  readonly readOnly: boolean;
  readonly #tell: (notice: Notice) => void;
  readonly #told = new Set<string>();
  #extents: Promise<ExtentTable> | null = null;

  constructor(served: NbdExport, tell: (notice: Notice) => void) {
    this.name = served.name;
    this.description = served.description;
    this.device = served.device;
    this.readOnly = served.readOnly;
    this.#tell = tell;
  }

  /** The transmission flags. */
  flags(structured: boolean): number {
    const t = transmission;
    const writing = this.readOnly ? t.readOnly : t.sendFlush | t.sendFua | t.sendTrim | t.sendWriteZeroes;
    // All connections have one device, so what one was told is written, another reads.
    return t.hasFlags | t.canMultiConn | t.sendCache | writing | (structured ? t.sendDf : 0);
  }

  /** The bytes that a request may touch, at least and at best. */
  get blockSizes(): { readonly least: number; readonly preferred: number } {
    const { sectorSize } = this.device;
    return { least: sectorSize, preferred: Math.max(sectorSize, preferredBlock) };
  }

  /** Called when something was written: where data lies is asked anew. */
  changed(): void {
    this.#extents = null;
  }

  /** States of base:allocation; everything is data where the device cannot tell. */
  async states(offset: number, length: number, one: boolean): Promise<RunOfState[]> {
    this.#extents ??= this.#lookUp();
    return statesOf(await this.#extents, offset, length, one);
  }

  async #lookUp(): Promise<ExtentTable> {
    const whole = [{ start: 0, length: this.device.size }];
    try {
      return extentTable((await this.device.dataExtents?.()) ?? whole);
    } catch (error) {
      this.#tellOnce(
        'served-extents-unknown',
        `Where ${this.name} holds data is not known: ${messageOf(error)}`,
      );
      return extentTable(whole);
    }
  }

  /** The error number that a failed call is answered with; the first of its kind is told. */
  failure(call: 'read' | 'write', error: unknown): Errno {
    if (isCoded(error, 'disk-range')) return errnos.EINVAL;
    if (isCoded(error, 'interrupted')) return errnos.ESHUTDOWN;
    const full = isCoded(error, 'overlay-full') || (isCoded(error) && error.facts['errno'] === 'ENOSPC');
    const code = full ? 'served-full' : `served-${call}-failed`;
    const what = call === 'read' ? 'A read' : 'A write';
    const answer = full ? '"no space left"' : 'an input/output error';
    this.#tellOnce(
      code,
      `${what} of ${this.name} failed and its reader was told of ${answer}: ${messageOf(error)} Further ones are not told.`,
      isCoded(error) ? { code: error.code, ...error.facts } : {},
    );
    return full ? errnos.ENOSPC : errnos.EIO;
  }

  #tellOnce(code: string, message: string, facts: Readonly<Record<string, unknown>> = {}): void {
    if (this.#told.has(code)) return;
    this.#told.add(code);
    this.#tell({ level: 'warning', code, message, facts: { export: this.name, ...facts } });
  }
}

/** A message as a sentence with its end. */
function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
