import { z } from 'zod';

const count = z.int().min(0);

/** Something that happens to a drive while it works, just before it does the write or read of that number. */
const eventSchema = z.strictObject({
  /** What is counted: writes and reads, from 0, since the cartridge came into the drive or the faults were set. */
  before: z.enum(['write', 'read']),
  number: count,
  /**
   * `medium-error`: the block cannot be written or read, this once. `hardware-error`: the drive itself fails.
   * `bus-reset`: the drive was reset and forgot its modes. `protect`: the tab was moved. `remove`: the
   * cartridge is gone. `swap`: the cartridge `barcode` is in its place.
   */
  happens: z.enum(['medium-error', 'hardware-error', 'bus-reset', 'protect', 'remove', 'swap']),
  barcode: z.string().optional(),
});

/** What a person or a test wants to go wrong, with a drive or with a cartridge. */
export const faultsSchema = z.strictObject({
  events: z.array(eventSchema).optional(),
  /** Numbers of blocks, filemarks counted, that cannot be written; once each, then they can. */
  unwritable: z.array(count).optional(),
  /** Numbers of blocks that can never be read. */
  unreadable: z.array(count).optional(),
  /** How often the drive says that it is becoming ready, after the cartridge came in. */
  pollsUntilReady: count.optional(),
  /** TapeAlert flags (1 to 64) that are raised when the cartridge comes in. */
  alerts: z.array(z.int().min(1).max(64)).optional(),
  /** A drive that neither locates nor tells its position. */
  noLocate: z.boolean().optional(),
  /** A drive that gives one block of junk when it is read past the last filemark. */
  phantomBlock: z.boolean().optional(),
  /** A drive that a tape runs through at a speed of its own. */
  pace: z
    .strictObject({
      bytesPerSecond: z.number().positive(),
      /** A drive whose next block is later than this has stopped the tape. */
      slackMilliseconds: z.number().min(0),
      /** What stopping, going back and starting again takes. */
      stopMilliseconds: z.number().min(0).optional(),
    })
    .optional(),
});

export type Faults = z.infer<typeof faultsSchema>;
export type FaultEvent = z.infer<typeof eventSchema>;

/** The faults of one cartridge in one drive, as they come about. */
export class FaultPlan {
  readonly #faults: Faults;
  readonly #asked: string;
  readonly #events: Set<FaultEvent>;
  readonly #unwritable: Set<number>;
  readonly #unreadable: Set<number>;
  #writes = 0;
  #reads = 0;
  #polls: number;
  #phantom: boolean;

  constructor(drive: Faults, cartridge: Faults) {
    this.#faults = drive;
    this.#asked = JSON.stringify([drive, cartridge]);
    this.#events = new Set([...(drive.events ?? []), ...(cartridge.events ?? [])]);
    this.#unwritable = new Set([...(drive.unwritable ?? []), ...(cartridge.unwritable ?? [])]);
    this.#unreadable = new Set([...(drive.unreadable ?? []), ...(cartridge.unreadable ?? [])]);
    this.#polls = Math.max(drive.pollsUntilReady ?? 0, cartridge.pollsUntilReady ?? 0);
    this.#phantom = drive.phantomBlock === true;
  }

  /** Whether it is the plan of these. */
  isOf(drive: Faults, cartridge: Faults): boolean {
    return this.#asked === JSON.stringify([drive, cartridge]);
  }

  get locates(): boolean {
    return this.#faults.noLocate !== true;
  }

  /** True the first time the drive reads past the last filemark. */
  takePhantom(): boolean {
    const phantom = this.#phantom;
    this.#phantom = false;
    return phantom;
  }

  /** True while the cartridge is becoming ready; each question counts. */
  isBecomingReady(): boolean {
    return this.#polls > 0 && this.#polls-- > 0;
  }

  /** What happens before the next block is written at a number; each question counts a write. */
  beforeWrite(number: number): FaultEvent[] {
    const events = this.#due('write', this.#writes++);
    if (this.#unwritable.delete(number)) events.push({ before: 'write', number, happens: 'medium-error' });
    return events;
  }

  /** What happens before the block of a number is read; each question counts a read. */
  beforeRead(number: number): FaultEvent[] {
    const events = this.#due('read', this.#reads++);
    if (this.#unreadable.has(number)) events.push({ before: 'read', number, happens: 'medium-error' });
    return events;
  }

  #due(before: 'write' | 'read', number: number): FaultEvent[] {
    const due = [...this.#events].filter((event) => event.before === before && event.number === number);
    for (const event of due) this.#events.delete(event);
    return due;
  }
}
