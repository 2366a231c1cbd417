import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { isSea } from 'node:sea';
import { getSystemErrorMap } from 'node:util';
import { RemetalError } from '../errors/index.ts';

/* lseek(2), fallocate(2), posix_fadvise(2), utimensat(2) and <linux/fs.h>; the numbers are the same on every Linux this runs on. */
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;
const BLKRRPART = 0x125f;
const BLKDISCARD = 0x1277;
const BLKZEROOUT = 0x127f;
const POSIX_FADV_WILLNEED = 3;
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const ENXIO = 6;

/** What the addon exports; the package's own index adds nothing but finding the file. */
type Koffi = typeof import('koffi');
type Call = ReturnType<ReturnType<Koffi['load']>['func']>;

interface Native {
  readonly lseek: Call;
  readonly fallocate: Call;
  readonly ioctlPlain: Call;
  readonly ioctlRange: Call;
  readonly ioctlBlock: Call;
  readonly utimensat: Call;
  readonly mlock: Call;
  readonly fadvise: Call;
  readonly errno: () => number;
  readonly names: ReadonlyMap<number, string>;
}

let addon: Koffi | undefined;
let loaded: Native | undefined;

/**
 * The one place that loads the foreign-function addon, at its first use. A single executable has no
 * node_modules; there the addon is the file `koffi.node` beside the executable.
 */
function loadAddon(): Koffi {
  if (addon === undefined) {
    const file = isSea()
      ? join(dirname(process.execPath), 'koffi.node')
      : createRequire(import.meta.url).resolve('@koromix/koffi-linux-x64/linux_x64/koffi.node');
    const holder: { exports: unknown } = { exports: {} };
    process.dlopen(holder, file);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an addon has no types of its own
    addon = holder.exports as Koffi;
  }
  return addon;
}

/** A foreign function: called, or with `async` and a callback at the end, run on the thread pool. */
export type ForeignCall = Call;

/**
 * Functions of the executable and the libraries it is linked with, by their C declarations. Throws
 * where one of them is not there.
 */
export function loadForeign<Name extends string>(
  declarations: Readonly<Record<Name, string>>,
): Readonly<Record<Name, ForeignCall>> {
  const program = loadAddon().load(null);
  const calls = Object.entries<string>(declarations).map(
    ([name, text]) => [name, program.func(text)] as const,
  );
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every name got its function
  return Object.fromEntries(calls) as Record<Name, ForeignCall>;
}

function native(): Native {
  if (loaded === undefined) {
    const ffi = loadAddon();
    const libc = ffi.load(null);
    loaded = {
      lseek: libc.func('int64_t lseek(int fd, int64_t offset, int whence)'),
      fallocate: libc.func('int fallocate(int fd, int mode, int64_t offset, int64_t length)'),
      ioctlPlain: libc.func('int ioctl(int fd, unsigned long request, long argument)'),
      ioctlRange: libc.func('int ioctl(int fd, unsigned long request, uint64_t *range)'),
      ioctlBlock: libc.func('int ioctl(int fd, unsigned long request, _Inout_ void *argument)'),
      utimensat: libc.func('int utimensat(int dirfd, const char *path, int64_t *times, int flags)'),
      mlock: libc.func('int mlock(const uint8_t *address, size_t length)'),
      fadvise: libc.func('int posix_fadvise(int fd, int64_t offset, int64_t length, int advice)'),
      errno: () => ffi.errno(),
      names: new Map(Object.entries(ffi.os.errno).map(([name, number]) => [number, name])),
    };
  }
  return loaded;
}

/** A system call that failed, shaped as Node's own: `code` is the errno's name, the one Node gives it. */
export function systemFailure(call: string, errno: number): NodeJS.ErrnoException {
  const code = getSystemErrorMap().get(-errno)?.[0] ?? native().names.get(errno) ?? `errno ${errno}`;
  return Object.assign(new Error(`${code}: ${call}`), { code, errno: -errno, syscall: call });
}

/** Makes the call at once, for those that do not wait. Throws a system error. */
export function calledAtOnce(name: string, call: Call, ...args: unknown[]): void {
  if (Number(call(...args)) < 0) throw systemFailure(name, native().errno());
}

/** Arguments of the calls that are under way: the kernel works on their memory, which must not be collected. */
const lent = new Set<readonly unknown[]>();

/** Makes the call on a thread of the pool, for those that take long, and gives its result. Throws a system error. */
export function called(name: string, call: Call, ...args: unknown[]): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  lent.add(args);
  call.async(...args, (error: Error | null, result: number) => {
    lent.delete(args);
    if (error !== null) reject(error);
    else if (result < 0) reject(systemFailure(name, native().errno()));
    else resolve(result);
  });
  return promise;
}

/**
 * The first run of data of a file at or after `from`: its start and its end, bytes; null when only a
 * hole is left. Throws a system error (`EINVAL` where the file system cannot tell).
 */
export function nextData(fd: number, from: number): { start: number; end: number } | null {
  const { lseek, errno } = native();
  const start = Number(lseek(fd, from, SEEK_DATA));
  if (start < 0) {
    const number = errno();
    if (number === ENXIO) return null;
    throw systemFailure('lseek SEEK_DATA', number);
  }
  const end = Number(lseek(fd, start, SEEK_HOLE));
  if (end < 0) throw systemFailure('lseek SEEK_HOLE', errno());
  return { start, end };
}

/**
 * Sets the times of a file or folder, nanoseconds since 1970; Node's own call rounds them to what a
 * double holds. A link is not followed. Throws a system error.
 */
export function setTimes(path: string, accessed: bigint, modified: bigint): void {
  const { utimensat, errno } = native();
  const second = 1_000_000_000n;
  const times = BigInt64Array.of(accessed / second, accessed % second, modified / second, modified % second);
  if (utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) !== 0) throw systemFailure('utimensat', errno());
}

/** Makes a hole in a file: the range reads as zeros and takes no room. Throws a system error. */
export async function punchHole(fd: number, offset: number, length: number): Promise<void> {
  await called(
    'fallocate',
    native().fallocate,
    fd,
    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
    offset,
    length,
  );
}

/**
 * Lets the kernel begin to read a range of a file or device into its cache, exactly that range; returns when the
 * reading was begun. A device reads at most its `read_ahead_kb` of it. Throws a system error.
 */
export async function readSoon(fd: number, offset: number, length: number): Promise<void> {
  // The number of the error is its result.
  const errno = await called('posix_fadvise', native().fadvise, fd, offset, length, POSIX_FADV_WILLNEED);
  if (errno !== 0) throw systemFailure('posix_fadvise', errno);
}

/** Keeps memory from being swapped out (mlock(2)); false where the limits of the user forbid it. */
export function lockMemory(memory: Uint8Array): boolean {
  return native().mlock(memory, memory.length) === 0;
}

function range(offset: number, length: number): BigUint64Array {
  return BigUint64Array.of(BigInt(offset), BigInt(length));
}

/** Zeroes a range of a block device inside the kernel (BLKZEROOUT). Throws a system error. */
export async function zeroDevice(fd: number, offset: number, length: number): Promise<void> {
  await called('ioctl BLKZEROOUT', native().ioctlRange, fd, BLKZEROOUT, range(offset, length));
}

/** Tells a block device that a range is no longer needed (BLKDISCARD). Throws a system error. */
export async function discardDevice(fd: number, offset: number, length: number): Promise<void> {
  await called('ioctl BLKDISCARD', native().ioctlRange, fd, BLKDISCARD, range(offset, length));
}

/** Makes the kernel read the partition table of an open disk again (BLKRRPART). Throws a system error. */
export async function rereadPartitions(fd: number): Promise<void> {
  await called('ioctl BLKRRPART', native().ioctlPlain, fd, BLKRRPART, 0);
}

/**
 * Any ioctl with a caller-made argument block, which the kernel may fill, on a thread of the pool, for
 * drivers elsewhere in src/system. `name` is for the error; `behind` is the memory that pointers in the
 * block lead to (`addressOf`). Throws a system error.
 */
export async function ioctl(
  fd: number,
  request: number,
  argument: Uint8Array,
  name = 'ioctl',
  ...behind: readonly Uint8Array[]
): Promise<void> {
  if (argument.length === 0) throw new RemetalError('internal', 'An ioctl argument block is empty');
  lent.add(behind);
  try {
    await called(name, native().ioctlBlock, fd, request, argument);
  } finally {
    lent.delete(behind);
  }
}

/** Where the bytes lie in memory. */
export function addressOf(bytes: Uint8Array): bigint {
  return loadAddon().address(bytes);
}
