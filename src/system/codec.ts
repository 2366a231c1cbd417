import { loadForeign, type ForeignCall } from './native.ts';

/** A buffer on loan: it is used again after `release`. */
export interface Packed {
  readonly bytes: Buffer;
  release(): void;
}

/**
 * SHA-256 and zstd by the libraries inside the Node executable, called without the streams around
 * them: all of it on the thread pool, contexts and buffers used again. Beside node:zlib and a hash on
 * the main thread this takes two thirds of the CPU time, and no garbage is left to collect.
 */
export interface NativeCodec {
  /** SHA-256 of the bytes, 32 bytes. */
  sum(bytes: Uint8Array): Promise<Buffer>;
  /** One zstd frame without a checksum of its own. */
  compress(plain: Uint8Array, level: number): Promise<Packed>;
  /** The plain bytes of a frame, at most `length` of them; null when it is damaged or holds more. */
  decompress(stored: Uint8Array, length: number): Promise<Packed | null>;
}

interface Calls {
  readonly sha256: ForeignCall;
  readonly createCompressor: ForeignCall;
  readonly compress: ForeignCall;
  readonly createDecompressor: ForeignCall;
  readonly decompress: ForeignCall;
}

/** zstd.h and openssl/sha.h; Node keeps both in its table of dynamic symbols for addons. */
const declarations = {
  sha256: 'void *SHA256(const void *data, size_t length, void *digest)',
  createCompressor: 'void *ZSTD_createCCtx()',
  compress:
    'size_t ZSTD_compressCCtx(void *context, void *to, size_t room, const void *from, size_t length, int level)',
  createDecompressor: 'void *ZSTD_createDCtx()',
  decompress:
    'size_t ZSTD_decompressDCtx(void *context, void *to, size_t room, const void *from, size_t length)',
} as const;

/** ZSTD_COMPRESSBOUND of zstd.h, rounded up. */
function bound(length: number): number {
  return length + Math.ceil(length / 256) + 1024;
}

/** Calls on the thread pool. The arguments, buffers among them, are held until it has come back. */
function onPool(call: ForeignCall, ...args: unknown[]): Promise<unknown> {
  return new Promise((resolve, reject) => {
    call.async(...args, (error: Error | null, result: unknown) => {
      if (error === null) resolve(result);
      else reject(Object.assign(error, { argumentCount: args.length }));
    });
  });
}

/** zstd's errors are the last of the size_t values, far beyond what a number holds exactly. */
function sizeOf(result: unknown): number | null {
  return typeof result === 'number' && Number.isSafeInteger(result) ? result : null;
}

let loaded: NativeCodec | null | undefined;

/** The codec, made at the first call; null where the executable does not offer the libraries. */
export function nativeCodec(): NativeCodec | null {
  if (loaded === undefined) {
    try {
      loaded = makeCodec(loadForeign(declarations));
    } catch {
      loaded = null;
    }
  }
  return loaded;
}

/** Bytes of buffers that were given back and are kept for the next caller. */
const mostSpare = 16 * 1024 * 1024;

function makeCodec(calls: Calls): NativeCodec {
  const compressors: unknown[] = [];
  const decompressors: unknown[] = [];
  const spare: Buffer[] = [];
  const borrow = (length: number): Buffer => {
    const found = spare.findIndex((room) => room.length >= length);
    return found < 0 ? Buffer.allocUnsafeSlow(Math.max(1, length)) : spare.splice(found, 1)[0]!;
  };
  const giveBack = (room: Buffer): void => {
    spare.push(room);
    while (spare.reduce((sum, { length }) => sum + length, 0) > mostSpare) spare.shift();
  };
  const lend = (room: Buffer, length: number): Packed => {
    let lent = true;
    return {
      bytes: room.subarray(0, length),
      release() {
        if (lent) giveBack(room);
        lent = false;
      },
    };
  };
  return {
    async sum(bytes) {
      const digest = Buffer.alloc(32);
      await onPool(calls.sha256, bytes, bytes.length, digest);
      return digest;
    },
    async compress(plain, level) {
      const context = compressors.pop() ?? created(calls.createCompressor());
      const room = borrow(bound(plain.length));
      const result = await onPool(calls.compress, context, room, room.length, plain, plain.length, level);
      compressors.push(context);
      const length = sizeOf(result);
      if (length === null) throw new Error('zstd could not compress');
      return lend(room, length);
    },
    async decompress(stored, length) {
      if (stored.length === 0) return null;
      const context = decompressors.pop() ?? created(calls.createDecompressor());
      const room = borrow(length);
      const result = await onPool(calls.decompress, context, room, length, stored, stored.length);
      decompressors.push(context);
      const written = sizeOf(result);
      if (written !== null && written <= length) return lend(room, written);
      giveBack(room);
      return null;
    },
  };
}

function created(context: unknown): unknown {
  if (context === null) throw new Error('zstd has no memory');
  return context;
}
