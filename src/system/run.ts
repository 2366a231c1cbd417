import { execa } from 'execa';
import { RemetalError } from '../errors/index.ts';

/** Debian package of every program that is run anywhere in src/, for the hint of `program-missing`. */
const packages: Readonly<Record<string, string>> = {
  blkid: 'util-linux',
  blkdiscard: 'util-linux',
  blockdev: 'util-linux',
  btrfs: 'btrfs-progs',
  cryptsetup: 'cryptsetup-bin',
  debugfs: 'e2fsprogs',
  depmod: 'kmod',
  dumpe2fs: 'e2fsprogs',
  e2fsck: 'e2fsprogs',
  efibootmgr: 'efibootmgr',
  fallocate: 'util-linux',
  findmnt: 'util-linux',
  losetup: 'mount',
  lvm: 'lvm2',
  mdadm: 'mdadm',
  mkswap: 'util-linux',
  modprobe: 'kmod',
  mount: 'mount',
  mtx: 'mtx',
  'nbd-client': 'nbd-client',
  nbdfuse: 'libnbd-bin',
  'qemu-system-x86_64': 'qemu-system-x86',
  resize2fs: 'e2fsprogs',
  sfdisk: 'fdisk',
  tune2fs: 'e2fsprogs',
  umount: 'mount',
  xfs_growfs: 'xfsprogs',
  xfs_repair: 'xfsprogs',
  xorriso: 'xorriso',
  zstd: 'zstd',
};

/** Directories of administration programs, which the PATH of a normal user leaves out on Debian. */
const adminPaths = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

export interface RunOptions {
  /** Fed to the program's standard input, which is empty otherwise. */
  readonly input?: string | Uint8Array;
  /** Added to the environment. `LC_ALL=C` is always set, so that output can be parsed. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Exit statuses that are not failures; `[0]` by default. */
  readonly okStatuses?: readonly number[];
  /** Milliseconds after which the program is ended and `program-failed` thrown; none by default. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
}

export interface RunResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

function lastLines(text: string): string {
  return text.trimEnd().split('\n').slice(-6).join('\n');
}

/** The environment a program is run with: ours, `LC_ALL=C`, and a PATH that has the sbin directories. */
export function programEnvironment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const path = (process.env['PATH'] ?? '').split(':').filter((folder) => folder !== '');
  const missing = adminPaths.filter((folder) => !path.includes(folder));
  return { ...process.env, LC_ALL: 'C', PATH: [...path, ...missing].join(':'), ...extra };
}

/** The `program-missing` error for a program, with the Debian package that has it where known. */
export function programMissing(program: string, cause?: unknown): RemetalError {
  const inPackage = packages[program];
  return new RemetalError('program-missing', `The program ${program} is not installed`, {
    hint:
      inPackage === undefined
        ? `Install ${program} and try again.`
        : `Install the package that has it: on Debian, apt-get install ${inPackage}.`,
    facts: { program },
    cause,
  });
}

/**
 * Runs a program to its end, without a shell, and gives back what it printed. Lines keep their last
 * newline. Throws `program-missing`, `program-failed` (facts `{command, status, signal, stderr}`), or
 * `interrupted` when `signal` fires.
 */
export async function run(
  program: string,
  args: readonly string[] = [],
  options: RunOptions = {},
): Promise<RunResult> {
  const result = await execa(program, args, {
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.timeout === undefined ? {} : { timeout: options.timeout }),
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
    env: programEnvironment(options.env),
    extendEnv: false,
    stripFinalNewline: false,
    reject: false,
  });
  const { exitCode } = result;
  if (exitCode !== undefined && (options.okStatuses ?? [0]).includes(exitCode)) {
    return { stdout: result.stdout, stderr: result.stderr, exitCode };
  }
  if (result.isCanceled) {
    throw new RemetalError('interrupted', `The program ${program} was stopped`, { facts: { program } });
  }
  if (result.code === 'ENOENT' && exitCode === undefined && result.signal === undefined) {
    throw programMissing(program, result.cause);
  }
  const stderr = lastLines(result.stderr);
  const how = result.timedOut
    ? `did not end within ${(options.timeout ?? 0) / 1000} s`
    : result.signal === undefined
      ? `ended with status ${exitCode ?? 'unknown'}`
      : `was ended by ${result.signal}`;
  throw new RemetalError('program-failed', `The program ${program} ${how}`, {
    ...(stderr === '' ? {} : { hint: `It said: ${stderr}` }),
    facts: {
      command: [program, ...args],
      status: exitCode ?? null,
      signal: result.signal ?? null,
      stderr,
    },
    cause: result.cause,
  });
}
