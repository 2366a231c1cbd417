import { createWriteStream, type WriteStream } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { patient } from './patience.ts';

/** One finished line of the serial console. */
export interface ConsoleLine {
  /** Seconds since the machine was started. */
  readonly at: number;
  readonly text: string;
}

interface Waiter {
  readonly pattern: RegExp;
  readonly resolve: (match: RegExpExecArray) => void;
  readonly reject: (error: Error) => void;
}

/* CSI sequences, the two-character escapes GRUB and systemd use, and stray control characters. */
// oxlint-disable-next-line no-control-regex -- terminal escapes are control characters
const escapes = /\u001b\[[0-9;?=]*[ -/]*[@-~]|\u001b[()][0-9A-B]|\u001b[=>78cM]|[\u0000\u0007]/g;

/** What only a dying guest prints; waiting on would be in vain. */
const hopeless = /Kernel panic - not syncing|REMETAL-PROBLEM|No bootable device|error: no such device/;

/**
 * The guest's serial line: every line is logged with the second it came at, and a test can wait for
 * a pattern and type. What was matched is consumed, as a person reads on.
 */
export class SerialConsole {
  readonly lines: ConsoleLine[] = [];
  #unread = '';
  #partial = '';
  readonly #log: WriteStream;
  readonly #started = Date.now();
  #waiters: Waiter[] = [];
  #ended: Error | null = null;
  readonly #input: Writable;

  constructor(output: Readable, input: Writable, logPath: string) {
    this.#log = createWriteStream(logPath, { flags: 'a' });
    this.#input = input;
    output.setEncoding('latin1');
    output.on('data', (text: string) => this.#take(text));
  }

  /** Seconds since the start of the machine. */
  get seconds(): number {
    return (Date.now() - this.#started) / 1000;
  }

  #take(text: string): void {
    const clean = (this.#partial + text).replace(escapes, '');
    // A cut-off escape sequence is completed by what comes next.
    const cut = clean.lastIndexOf('\u001b');
    const whole = cut >= 0 && clean.length - cut < 12 ? clean.slice(0, cut) : clean;
    this.#partial = clean.slice(whole.length);
    this.#unread += whole;
    this.#record(whole);
    this.#serve();
  }

  #line = '';

  #record(text: string): void {
    const pieces = (this.#line + text).split(/\r*\n|\r/);
    this.#line = pieces.pop() ?? '';
    for (const piece of pieces) {
      if (piece.trim() === '') continue;
      const line = { at: this.seconds, text: piece.trimEnd() };
      this.lines.push(line);
      this.#log.write(`${line.at.toFixed(2).padStart(8)}  ${line.text}\n`);
    }
  }

  #serve(): void {
    for (const waiter of this.#waiters) {
      const match = waiter.pattern.exec(this.#unread);
      if (match === null) continue;
      this.#unread = this.#unread.slice(match.index + match[0].length);
      this.#waiters = this.#waiters.filter((other) => other !== waiter);
      waiter.resolve(match);
    }
    const last = hopeless.exec(this.#unread);
    if (last !== null && this.#waiters.length > 0) {
      this.end(new Error(`The guest said "${last[0]}".`));
    }
  }

  /** No more will come: everybody who waits is told why. */
  end(reason: Error): void {
    if (this.#ended !== null) return;
    if (this.#line !== '') this.#record('\n');
    this.#ended = reason;
    this.#log.end(`-- ${reason.message}\n`);
    for (const waiter of this.#waiters) waiter.reject(reason);
    this.#waiters = [];
  }

  /** Waits until `pattern` is on the console and returns the match; throws when time or guest end first. */
  async expect(pattern: RegExp, seconds: number): Promise<RegExpExecArray> {
    const early = pattern.exec(this.#unread);
    if (early !== null) {
      this.#unread = this.#unread.slice(early.index + early[0].length);
      return early;
    }
    if (this.#ended !== null) throw this.#ended;
    const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
    const waiter = { pattern, resolve, reject };
    this.#waiters.push(waiter);
    const timer = setTimeout(() => {
      this.#waiters = this.#waiters.filter((other) => other !== waiter);
      reject(new Error(`${String(pattern)} did not come within ${seconds} s. Last: ${this.tail()}`));
    }, patient(seconds));
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The last lines, for messages. */
  tail(count = 3): string {
    const last = this.lines.slice(-count).map((line) => line.text);
    if (this.#line.trim() !== '') last.push(this.#line.trim());
    return JSON.stringify(last.join(' | '));
  }

  /** Types text; slowly, since an emulated UART has a FIFO of 16 bytes and firmware reads it by polling. */
  async type(text: string, gapMs = 20): Promise<void> {
    for (const key of text) {
      this.#input.write(key);
      await delay(gapMs);
    }
  }
}
