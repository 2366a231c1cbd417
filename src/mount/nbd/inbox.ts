import type { Duplex } from 'node:stream';

/** What has come in on a connection, taken by length. One reader at a time. */
export class Inbox {
  readonly #stream: Duplex;
  #wake: (() => void) | null = null;
  #over = false;
  #taken = 0;
  readonly #readable = (): void => this.#woken();
  readonly #ended = (): void => {
    this.#over = true;
    this.#woken();
  };

  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.on('readable', this.#readable);
    for (const event of ['end', 'close', 'error']) stream.on(event, this.#ended);
  }

  /** Bytes that were taken so far. */
  get taken(): number {
    return this.#taken;
  }

  #woken(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }

  /** `length` bytes, at least 1 and few; null where the connection ends before them or reading was stopped. */
  async take(length: number): Promise<Buffer | null> {
    for (;;) {
      if (this.#over && this.#stream.readableLength < length) return null;
      const chunk = this.#chunk(length);
      if (chunk !== null) return chunk.length === length ? chunk : null;
      await this.#more();
    }
  }

  /** Fills the whole target; false where the connection ends before. */
  async fill(target: Buffer): Promise<boolean> {
    for (let done = 0; done < target.length;) {
      const chunk = this.#some(target.length - done);
      if (chunk !== null) {
        target.set(chunk, done);
        done += chunk.length;
      } else if (this.#over) {
        return false;
      } else {
        await this.#more();
      }
    }
    return true;
  }

  /** Lets `length` bytes go by; false where the connection ends before. */
  async skip(length: number): Promise<boolean> {
    for (let done = 0; done < length;) {
      const chunk = this.#some(length - done);
      if (chunk !== null) done += chunk.length;
      else if (this.#over) return false;
      else await this.#more();
    }
    return true;
  }

  /** Ends the waiting of whoever reads, and lets go of the stream. */
  stop(): void {
    this.#stream.off('readable', this.#readable);
    for (const event of ['end', 'close', 'error']) this.#stream.off(event, this.#ended);
    this.#ended();
  }

  #some(most: number): Buffer | null {
    const there = Math.min(most, this.#stream.readableLength);
    // An empty read is what makes the stream say that it has ended.
    return this.#chunk(there);
  }

  #chunk(length: number): Buffer | null {
    const chunk: unknown = this.#stream.read(length);
    if (!(chunk instanceof Buffer)) return null;
    this.#taken += chunk.length;
    return chunk;
  }

  async #more(): Promise<void> {
    if (this.#over) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }
}
