/** Bytes that may become too many for memory: written once from front to end, read at any place. */
export interface Spool {
  /** Bytes written. */
  readonly length: number;
  append(bytes: Uint8Array): Promise<void>;
  /** `length` bytes from `at`; they are there. */
  read(at: number, length: number): Promise<Buffer>;
  /** Gives back what it takes. */
  close(): Promise<void>;
}

/** How spools are made: a machine may bring ones that lie on a disk. */
export type SpoolMaker = () => Spool;

/** A spool in memory. */
export const memorySpool: SpoolMaker = () => {
  const chunks: Buffer[] = [];
  let length = 0;
  let whole: Buffer | null = null;
  return {
    get length() {
      return length;
    },
    append: (bytes) => {
      chunks.push(Buffer.from(bytes));
      length += bytes.length;
      whole = null;
      return Promise.resolve();
    },
    read: (at, count) => {
      whole ??= Buffer.concat(chunks);
      return Promise.resolve(whole.subarray(at, at + count));
    },
    close: () => {
      chunks.length = 0;
      whole = null;
      return Promise.resolve();
    },
  };
};
