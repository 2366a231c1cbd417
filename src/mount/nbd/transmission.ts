import type { Limits } from './limits.ts';
import type { Link } from './link.ts';
import type { Agreement } from './negotiation.ts';
import { commandFlags, commands, errnos, longestRequest, type Errno } from './protocol.ts';
import {
  decodeRequest,
  encodeBlockStatus,
  encodeDone,
  encodeError,
  encodeOffsetData,
  encodeSimpleReply,
  requestLength,
  type Cookie,
  type Request,
} from './request.ts';
import type { Loan, Room } from './room.ts';

/** Payloads of refused writes up to here are passed over, bytes; a longer one is no client's. */
const longestSkipped = 2 * longestRequest;
/** CACHE reads in pieces of this, bytes. */
const cachePiece = 1024 * 1024;

/** The flags each command may have. */
const knownFlags: Readonly<Record<number, number>> = {
  [commands.read]: commandFlags.df | commandFlags.fua,
  [commands.write]: commandFlags.fua,
  [commands.flush]: 0,
  [commands.trim]: commandFlags.fua,
  [commands.cache]: 0,
  [commands.writeZeroes]: commandFlags.fua | commandFlags.noHole,
  [commands.blockStatus]: commandFlags.reqOne,
};

/** The requests of one connection, answered in the order they are done. */
export class Transmission {
  readonly #link: Link;
  readonly #agreement: Agreement;
  readonly #room: Room;
  readonly #limits: Limits;
  #pending = 0;
  #wake: (() => void) | null = null;
  /** Loans of this connection. */
  #held = 0;
  /** True while a payload is awaited for which there is a loan. */
  #filling = false;
  /** When a reply went out, or the server saw that more had come in; and how much had. */
  #movedAt = performance.now();
  #seen = 0;

  constructor(link: Link, agreement: Agreement, room: Room, limits: Limits) {
    this.#link = link;
    this.#agreement = agreement;
    this.#room = room;
    this.#limits = limits;
  }

  /** True when it holds room for a client that has moved no byte for a while. */
  stalled(now: number): boolean {
    const { taken } = this.#link.inbox;
    if (taken !== this.#seen) this.#movedAt = now;
    this.#seen = taken;
    const client = this.#filling || this.#link.unsent > 0;
    return this.#held > 0 && client && now - this.#movedAt > this.#limits.stall;
  }

  /** Ends when the client has: with DISC, by going away, or by sending what is no request. All is answered then. */
  async run(): Promise<void> {
    for (;;) {
      const header = await this.#link.inbox.take(requestLength);
      const request = header === null ? null : decodeRequest(header);
      if (request === null || request.type === commands.disconnect) break;
      this.#pending++;
      if (!(await this.#accept(request))) {
        this.#pending--;
        break;
      }
      while (this.#pending >= this.#limits.requests) await this.#answered();
    }
    while (this.#pending > 0) await this.#answered();
  }

  async #answered(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Begins a request, with what it needs in hand; false where the connection is of no more use. */
  async #accept(request: Request): Promise<boolean> {
    const errno = this.#refusal(request);
    if (request.type === commands.write) {
      if (errno !== null) {
        if (request.length > longestSkipped || !(await this.#link.inbox.skip(request.length))) return false;
      } else if (request.length > 0) {
        const loan = await this.#borrow(request.length);
        this.#filling = true;
        const whole = await this.#link.inbox.fill(loan.bytes);
        this.#filling = false;
        if (!whole) {
          loan.release();
          return false;
        }
        void this.#write(request, loan);
        return true;
      }
    }
    if (errno !== null) this.#fail(request.cookie, errno);
    else if (request.type === commands.read && request.length > 0) await this.#read(request);
    else if (request.type === commands.blockStatus) void this.#blockStatus(request);
    else if (request.type === commands.cache) void this.#cache(request);
    else void this.#change(request);
    return true;
  }

  /** Why a request is not tried at all, or null. */
  #refusal({ type, flags, offset, length }: Request): Errno | null {
    const { served, structured, allocation } = this.#agreement;
    const { size, sectorSize } = served.device;
    const known = knownFlags[type];
    if (known === undefined || (flags & ~known) !== 0) return errnos.EINVAL;
    if ((flags & commandFlags.df) !== 0 && !structured) return errnos.EINVAL;
    if (type === commands.flush) return null;
    const writing = type === commands.write || type === commands.trim || type === commands.writeZeroes;
    if (writing && served.readOnly) return errnos.EPERM;
    if ((type === commands.read || type === commands.write) && length > longestRequest) return errnos.EINVAL;
    if (offset > size || length > size - offset) return writing ? errnos.ENOSPC : errnos.EINVAL;
    // Reads off the grid are widened: a client that never heard of block sizes may ask for any byte.
    if (writing && (offset % sectorSize !== 0 || length % sectorSize !== 0)) return errnos.EINVAL;
    if (type === commands.blockStatus && (!allocation || length === 0)) return errnos.EINVAL;
    return null;
  }

  /** Room for a request; counted as this connection's until it is released. */
  async #borrow(length: number): Promise<Loan> {
    const borrowed = this.#room.acquire(length);
    const loan = borrowed instanceof Promise ? await borrowed : borrowed;
    this.#held++;
    let held = true;
    return {
      bytes: loan.bytes,
      release: () => {
        if (held) this.#held--;
        held = false;
        loan.release();
      },
    };
  }

  #reply(head: Buffer, payload: Buffer | null = null, loan: Loan | null = null): void {
    this.#link.put(head, payload, () => {
      loan?.release();
      this.#movedAt = performance.now();
      this.#pending--;
      const wake = this.#wake;
      this.#wake = null;
      wake?.();
    });
  }

  #done(cookie: Cookie): void {
    this.#reply(this.#agreement.structured ? encodeDone(cookie) : encodeSimpleReply(cookie));
  }

  #fail(cookie: Cookie, errno: Errno): void {
    this.#reply(this.#agreement.structured ? encodeError(cookie, errno) : encodeSimpleReply(cookie, errno));
  }

  /**
   * Begins a read. The wait for room is that of the whole connection: each waits in the queue once, and none keeps
   * the others out with all that it asks for.
   */
  async #read(request: Request): Promise<void> {
    const { sectorSize } = this.#agreement.served.device;
    const before = request.offset % sectorSize;
    const loan = await this.#borrow(Math.ceil((before + request.length) / sectorSize) * sectorSize);
    void this.#fetch(request, before, loan);
  }

  async #fetch({ cookie, offset, length }: Request, before: number, loan: Loan): Promise<void> {
    const { served, structured } = this.#agreement;
    try {
      await served.device.read(loan.bytes, offset - before);
    } catch (error) {
      loan.release();
      this.#fail(cookie, served.failure('read', error));
      return;
    }
    const payload = loan.bytes.length === length ? loan.bytes : loan.bytes.subarray(before, before + length);
    const head = structured ? encodeOffsetData(cookie, offset, length) : encodeSimpleReply(cookie);
    this.#reply(head, payload, loan);
  }

  async #write({ cookie, offset, flags }: Request, loan: Loan): Promise<void> {
    const { served } = this.#agreement;
    try {
      await served.device.write(loan.bytes, offset);
      if ((flags & commandFlags.fua) !== 0) await served.device.flush();
    } catch (error) {
      this.#fail(cookie, served.failure('write', error));
      return;
    } finally {
      loan.release();
      served.changed();
    }
    this.#done(cookie);
  }

  /** What needs no room: FLUSH, TRIM, WRITE_ZEROES, and READ and WRITE of nothing. */
  async #change({ type, cookie, offset, length, flags }: Request): Promise<void> {
    const { served } = this.#agreement;
    try {
      if (type === commands.trim) await served.device.discard(offset, length);
      if (type === commands.writeZeroes) await served.device.writeZeroes(offset, length);
      if (type === commands.flush || (flags & commandFlags.fua) !== 0) await served.device.flush();
    } catch (error) {
      this.#fail(cookie, served.failure('write', error));
      return;
    } finally {
      if (type === commands.trim || type === commands.writeZeroes) served.changed();
    }
    this.#done(cookie);
  }

  /** Reads what is asked for and drops it, so that a device that keeps what it read has it at hand. */
  async #cache({ cookie, offset, length }: Request): Promise<void> {
    const { served } = this.#agreement;
    const { sectorSize } = served.device;
    const from = offset - (offset % sectorSize);
    const to = Math.ceil((offset + Math.min(length, longestRequest)) / sectorSize) * sectorSize;
    try {
      for (let at = from; at < to; at += cachePiece) {
        const loan = await this.#borrow(Math.min(cachePiece, to - at));
        try {
          await served.device.read(loan.bytes, at);
        } finally {
          loan.release();
        }
      }
    } catch (error) {
      this.#fail(cookie, served.failure('read', error));
      return;
    }
    this.#done(cookie);
  }

  async #blockStatus({ cookie, offset, length, flags }: Request): Promise<void> {
    const { served } = this.#agreement;
    const states = await served.states(offset, length, (flags & commandFlags.reqOne) !== 0);
    this.#reply(encodeBlockStatus(cookie, states));
  }
}
