import { constants } from 'node:os';

/** st(4)'s answer when there is no cartridge; Node's table of names lacks it. */
const noMedium = 123;

const words = {
  EACCES: 'permission denied',
  EAGAIN: 'resource temporarily unavailable',
  EBADF: 'bad file descriptor',
  EBUSY: 'resource busy or locked',
  EINVAL: 'invalid argument',
  EIO: 'input/output error',
  ENOMEDIUM: 'no medium found',
  ENOMEM: 'not enough memory',
  ENOSPC: 'no space left on device',
  EROFS: 'read-only file system',
} as const;

/** A system error as the system's driver would give it, of a call on the drive of that name. */
export function driverError(code: keyof typeof words, syscall: string, path: string): NodeJS.ErrnoException {
  const number = code === 'ENOMEDIUM' ? noMedium : constants.errno[code];
  return Object.assign(new Error(`${code}: ${words[code]}, ${syscall} '${path}'`), {
    code,
    errno: -number,
    syscall,
    path,
  });
}
