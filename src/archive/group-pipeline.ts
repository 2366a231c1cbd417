import type { Extent } from '../bytes/index.ts';
import { isAllZero, type Codec, type Packed } from './codec.ts';
import { sumOfZeros } from './record.ts';
import type { RecordStream } from './record-stream.ts';
import type { ChecksumTable } from './tables.ts';

/** One group on its way to the medium. */
export interface PendingGroup {
  readonly plain: Uint8Array;
  readonly unreadable: readonly Extent[];
  readonly release: () => void;
  readonly kind: 'control' | 'data';
  readonly volume: number;
  readonly index: number;
  readonly extents: readonly Extent[];
  /** Called when its record of so many bytes has been given to the medium. */
  readonly stored: (bytes: number, zero: boolean) => void;
}

export interface PipelineOptions {
  readonly stream: RecordStream;
  readonly level: number;
  readonly checksums: ChecksumTable;
  readonly codec: Codec;
}

/** Groups in work at once: enough for the four threads of the pool and the next in line. */
const maxGroups = 8;
/** Plain bytes in work at once. */
const maxBytes = 32 * 1024 * 1024;

const nothing = new Uint8Array(0);

/** What becomes of a group's bytes. */
interface Worked {
  readonly sum: Buffer;
  readonly zero: boolean;
  /** What zstd made of it; null where it is stored plain or as zeros. */
  readonly packed: Packed | null;
}

interface Job {
  readonly group: PendingGroup;
  readonly worked: Promise<Worked>;
}

/**
 * Hashes and compresses several groups at a time, appends in order. Bounded: `push` waits while too
 * much is in work. A failure comes out of the next call, and every call after it.
 */
export class GroupPipeline {
  readonly #options: PipelineOptions;
  readonly #queue: Job[] = [];
  #bytes = 0;
  #pump: Promise<void> | null = null;
  #failure: { error: unknown } | null = null;
  #wake: (() => void) | null = null;

  constructor(options: PipelineOptions) {
    this.#options = options;
  }

  /** Takes the next group; resolves when there is room for another. */
  async push(group: PendingGroup): Promise<void> {
    this.#throwFailure();
    const { plain } = group;
    const worked = this.#work(group);
    // Its failure is met when its turn to be appended comes.
    worked.catch(() => {});
    this.#queue.push({ group, worked });
    this.#bytes += plain.length;
    this.#pump ??= this.#run().catch((error: unknown) => {
      this.#failure = { error };
      this.#pump = null;
      this.#wake?.();
    });
    while (this.#failure === null && (this.#queue.length >= maxGroups || this.#bytes >= maxBytes)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#throwFailure();
  }

  async #work(group: PendingGroup): Promise<Worked> {
    const { codec, level } = this.#options;
    const { plain } = group;
    if (isAllZero(plain)) {
      group.release();
      return { sum: sumOfZeros(plain.length), zero: true, packed: null };
    }
    const sum = await codec.sum(plain);
    if (level === 0) return { sum, zero: false, packed: null };
    const packed = await codec.compress(plain, level);
    if (packed.bytes.length < plain.length) {
      group.release();
      return { sum, zero: false, packed };
    }
    packed.release();
    return { sum, zero: false, packed: null };
  }

  async #run(): Promise<void> {
    for (let job = this.#queue[0]; job !== undefined; job = this.#queue[0]) {
      await this.#append(job.group, await job.worked);
      this.#queue.shift();
      this.#bytes -= job.group.plain.length;
      this.#wake?.();
    }
    this.#pump = null;
  }

  async #append(group: PendingGroup, { sum, zero, packed }: Worked): Promise<void> {
    const { stream, checksums } = this.#options;
    const { kind, volume, index, extents, unreadable, plain } = group;
    const codec = zero ? 'zeros' : packed === null ? 'plain' : 'zstd';
    const payload = zero ? nothing : (packed?.bytes ?? plain);
    const fields = {
      kind,
      volume,
      index,
      extents,
      unreadable,
      codec,
      plainLength: plain.length,
      sum,
    } as const;
    const { length } = await stream.append(fields, payload);
    if (codec === 'plain') group.release();
    packed?.release();
    checksums.push(sum);
    group.stored(length, zero);
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  /** Waits until everything has been given to the medium. */
  async drain(): Promise<void> {
    await this.#pump;
    this.#throwFailure();
  }

  /** Waits until nothing is in work any more, however it ended. */
  async stop(): Promise<void> {
    await this.#pump;
    await Promise.allSettled(this.#queue.map((job) => job.worked));
  }
}
