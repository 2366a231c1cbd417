interface Hold {
  readonly from: number;
  readonly to: number;
  readonly alone: boolean;
  readonly ended: Promise<void>;
}

/**
 * Ranges of numbers, each held by one writer or several readers. Who comes waits for those before it whose
 * ranges touch its own, and for no others; nobody waits for who came later, so nobody waits for ever.
 */
export class RangeLock {
  readonly #holds = new Set<Hold>();

  /** Runs `work` while `[from, to)` is held, alone or with other readers. */
  async hold<T>(from: number, to: number, alone: boolean, work: () => Promise<T>): Promise<T> {
    const before = [...this.#holds].filter(
      (hold) => hold.from < to && from < hold.to && (alone || hold.alone),
    );
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const hold = { from, to, alone, ended };
    this.#holds.add(hold);
    try {
      if (before.length > 0) await Promise.all(before.map((other) => other.ended));
      return await work();
    } finally {
      this.#holds.delete(hold);
      resolve();
    }
  }
}
