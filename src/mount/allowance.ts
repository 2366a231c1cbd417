/** So many bytes for all who hold some at the same time; who asks for more than is left waits for his turn. */
export class Allowance {
  readonly #total: number;
  #taken = 0;
  readonly #waiting: { readonly bytes: number; readonly go: () => void }[] = [];

  constructor(total: number) {
    this.#total = total;
  }

  /** Waits until there is room; more than there can ever be is let in alone. Gives what gives it back. */
  async take(bytes: number): Promise<() => void> {
    if (this.#waiting.length > 0 || !this.#fits(bytes)) {
      await new Promise<void>((go) => {
        this.#waiting.push({ bytes, go });
      });
    } else {
      this.#taken += bytes;
    }
    return () => {
      this.#taken -= bytes;
      this.#admit();
    };
  }

  #fits(bytes: number): boolean {
    return this.#taken === 0 || this.#taken + bytes <= this.#total;
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#taken += next.bytes;
      next.go();
    }
  }
}
