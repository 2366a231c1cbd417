import { hash } from 'node:crypto';
import { constants, zstdCompress, zstdDecompress } from 'node:zlib';
import { RemetalError } from '../errors/index.ts';

/** A buffer on loan: it may be used again after `release`. */
export interface Packed {
  readonly bytes: Buffer;
  release(): void;
}

/** The arithmetic that groups cost most: handed in, so that a machine can bring a quicker one. */
export interface Codec {
  /** SHA-256, 32 bytes. */
  sum(bytes: Uint8Array): Promise<Buffer>;
  /** One zstd frame without a checksum of its own. */
  compress(plain: Uint8Array, level: number): Promise<Packed>;
  /** The plain bytes of a zstd frame, at most `length` of them; null when it is damaged or holds more. */
  decompress(stored: Uint8Array, length: number): Promise<Packed | null>;
}

/** What Node has: SHA-256 on the calling thread, zstd on the thread pool. */
export const nodeCodec: Codec = {
  sum: (bytes) => Promise.resolve(hash('sha256', bytes, 'buffer')),
  compress: async (plain, level) => ({ bytes: await compress(plain, level), release: () => {} }),
  decompress,
};

/**
 * zstd on the thread pool. The output chunk is made as large as the whole result can be: with Node's
 * default of 16 KiB a group takes dozens of trips to the pool and twice the time (measured).
 */
function compress(plain: Uint8Array, level: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const options = {
      params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 0 },
      chunkSize: Math.max(4096, plain.length + (plain.length >>> 8) + 128),
      pledgedSrcSize: plain.length,
    };
    zstdCompress(plain, options, (error, stored) => {
      if (error === null) resolve(stored);
      else reject(new RemetalError('internal', 'Data could not be compressed.', { cause: error }));
    });
  });
}

/** The plain bytes of a zstd frame, at most `length` of them; null when it is damaged or holds more. */
function decompress(stored: Uint8Array, length: number): Promise<Packed | null> {
  return new Promise((resolve) => {
    // One byte more than comes out: a chunk that fills up makes Node allocate another (a third more CPU, measured).
    const options = { chunkSize: Math.max(4096, length + 1), maxOutputLength: Math.max(1, length) };
    zstdDecompress(stored, options, (error, plain) =>
      resolve(error === null ? { bytes: plain, release: () => {} } : null),
    );
  });
}

let zeros = Buffer.alloc(64 * 1024);

/** True when every byte is zero; stops at the first that is not. */
export function isAllZero(bytes: Uint8Array): boolean {
  if (zeros.length < bytes.length) zeros = Buffer.alloc(bytes.length);
  return zeros.compare(bytes, 0, bytes.length, 0, bytes.length) === 0;
}
