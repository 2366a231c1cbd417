import { calledAtOnce, called, loadForeign, type ForeignCall } from './native.ts';

/*
 * What a file has beyond its bytes, where Node has no call for it. Sources: utimensat(2), listxattr(2), getxattr(2),
 * setxattr(2), mknod(2), renameat2(2).
 */

/** A path as bytes that need not be UTF-8, or as text. */
export type FilePath = Buffer | string;

/** A moment as the kernel keeps it: seconds since 1970, and nanoseconds on top of them. */
export interface FileMoment {
  readonly seconds: number;
  readonly nanoseconds: number;
}

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const UTIME_OMIT = 0x3ff_ffffen;
const RENAME_NOREPLACE = 1;

/** The file types of mknod(2). */
const nodeTypes = { fifo: 0o010000, character: 0o020000, block: 0o060000, socket: 0o140000 } as const;

let loaded: ReturnType<typeof load> | undefined;

function load(): Readonly<Record<'times' | 'list' | 'get' | 'set' | 'node' | 'rename', ForeignCall>> {
  const found = loadForeign({
    utimensat: 'int utimensat(int dirfd, const uint8_t *path, const int64_t *times, int flags)',
    llistxattr: 'int64_t llistxattr(const uint8_t *path, uint8_t *list, size_t size)',
    lgetxattr: 'int64_t lgetxattr(const uint8_t *path, const char *name, uint8_t *value, size_t size)',
    lsetxattr:
      'int lsetxattr(const uint8_t *path, const char *name, const uint8_t *value, size_t size, int flags)',
    mknod: 'int mknod(const uint8_t *path, uint32_t mode, uint64_t device)',
    renameat2:
      'int renameat2(int olddirfd, const uint8_t *oldpath, int newdirfd, const uint8_t *newpath, unsigned int flags)',
  });
  return {
    times: found.utimensat,
    list: found.llistxattr,
    get: found.lgetxattr,
    set: found.lsetxattr,
    node: found.mknod,
    rename: found.renameat2,
  };
}

function calls(): ReturnType<typeof load> {
  loaded ??= load();
  return loaded;
}

/** A path as C has it. */
function terminated(path: FilePath): Buffer {
  const bytes = typeof path === 'string' ? Buffer.from(path) : path;
  if (bytes.includes(0)) throw Object.assign(new Error('A path holds a zero byte'), { code: 'EINVAL' });
  return Buffer.concat([bytes, Buffer.alloc(1)]);
}

/**
 * Sets the times of a file, directory, node or link itself to the nanosecond; null leaves one as it is. Throws a
 * system error.
 */
export function setFileTimes(path: FilePath, accessed: FileMoment | null, modified: FileMoment | null): void {
  const pair = (moment: FileMoment | null): [bigint, bigint] =>
    moment === null ? [0n, UTIME_OMIT] : [BigInt(moment.seconds), BigInt(moment.nanoseconds)];
  const times = BigInt64Array.from([...pair(accessed), ...pair(modified)]);
  calledAtOnce('utimensat', calls().times, AT_FDCWD, terminated(path), times, AT_SYMLINK_NOFOLLOW);
}

/** As long as the kernel lets a list or a value be (XATTR_LIST_MAX, XATTR_SIZE_MAX). */
const longestAttribute = 65_536;

/** Names of the extended attributes of a file, or of a link itself; none where its file system has none. Throws a system error. */
export async function attributeNames(path: FilePath): Promise<string[]> {
  const list = Buffer.alloc(longestAttribute);
  try {
    const length = await called('llistxattr', calls().list, terminated(path), list, list.length);
    return list
      .toString('utf8', 0, length)
      .split('\0')
      .filter((name) => name !== '');
  } catch (error) {
    if (isNone(error)) return [];
    throw error;
  }
}

/** The value of an extended attribute, null where there is none of that name. Throws a system error. */
export async function readAttribute(path: FilePath, name: string): Promise<Buffer | null> {
  const value = Buffer.alloc(longestAttribute);
  try {
    const length = await called('lgetxattr', calls().get, terminated(path), name, value, value.length);
    return Buffer.from(value.subarray(0, length));
  } catch (error) {
    if (isNone(error)) return null;
    throw error;
  }
}

/** Sets an extended attribute of a file, or of a link itself. Throws a system error. */
export function setAttribute(path: FilePath, name: string, value: Uint8Array): void {
  calledAtOnce('lsetxattr', calls().set, terminated(path), name, value, value.length, 0);
}

function isNone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENODATA' || error.code === 'ENOTSUP');
}

/**
 * Makes a node that holds no bytes; `mode` is its permission bits, which the umask cuts down. `device` is of devices
 * alone. Throws a system error.
 */
export function makeNode(
  path: FilePath,
  kind: keyof typeof nodeTypes,
  mode: number,
  device: { readonly major: number; readonly minor: number } | null = null,
): void {
  const number = device === null ? 0n : deviceNumber(device.major, device.minor);
  calledAtOnce('mknod', calls().node, terminated(path), nodeTypes[kind] | (mode & 0o7777), number);
}

/* gnu_dev_makedev of glibc. */
function deviceNumber(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return (
    ((high & 0xffff_f000n) << 32n) | ((high & 0xfffn) << 8n) | ((low & 0xffff_ff00n) << 12n) | (low & 0xffn)
  );
}

/**
 * Gives a file its name in one step. Unless `replace`, a name that is taken is left alone: `EEXIST`. Throws a system
 * error.
 */
export function renameFile(from: FilePath, to: FilePath, replace: boolean): void {
  const flags = replace ? 0 : RENAME_NOREPLACE;
  calledAtOnce('renameat2', calls().rename, AT_FDCWD, terminated(from), AT_FDCWD, terminated(to), flags);
}
