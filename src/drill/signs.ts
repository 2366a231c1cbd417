import { lastLines } from './console-text.ts';

/** Why a machine did not come up; the words are for machines. */
export type FailureCode =
  | 'no-boot-loader'
  | 'boot-loader-stuck'
  | 'no-root'
  | 'kernel-panic'
  | 'emergency-shell'
  | 'keeps-restarting'
  | 'powered-off'
  | 'emulator-ended'
  | 'disk-error'
  | 'restore-failed'
  | 'silent'
  | 'timed-out';

export interface Failure {
  readonly code: FailureCode;
  /** A plain sentence. */
  readonly reason: string;
}

interface Sign {
  readonly code: FailureCode;
  readonly pattern: RegExp;
  readonly what: string;
}

/**
 * What only a machine says that will not come up by itself. Words of SeaBIOS, OVMF, the boot sectors of DOS and
 * Windows, GRUB, LILO, the kernel, initramfs-tools, dracut and systemd.
 */
const signs: readonly Sign[] = [
  {
    code: 'no-boot-loader',
    pattern: /No bootable device|No bootable option or device was found|UEFI Interactive Shell|^Shell>/m,
    what: 'The firmware found no boot loader on the disks',
  },
  {
    code: 'no-boot-loader',
    pattern:
      /Missing operating system|Operating system not found|Error loading operating system|Invalid partition table|Non-System disk|NTLDR is missing|BOOTMGR is missing|No operating system|No active partition/i,
    what: 'The boot sector found no operating system to start',
  },
  {
    code: 'boot-loader-stuck',
    // Its "error: …" lines alone are no sign: a missing translation is one of them, and GRUB goes on.
    pattern: /^grub rescue>|^grub>|GRUB (?:Hard Disk|Geom|Read) Error/m,
    what: 'The boot loader does not find what it should start',
  },
  {
    code: 'kernel-panic',
    pattern: /Kernel panic - not syncing[^\n\r]*|\*\*\* STOP: 0x[0-9A-F]+/,
    what: 'The kernel has given up',
  },
  {
    code: 'no-root',
    pattern: /ALERT! +[^\n\r]*does not exist|^\(initramfs\)|Could not boot|dracut-initqueue[^\n\r]*timeout/m,
    what: 'The early system found no root file system',
  },
  {
    code: 'emergency-shell',
    pattern:
      /You are in (?:emergency|rescue) mode|Entering emergency mode|Give root password for maintenance|Press Enter for maintenance/,
    what: 'The system stopped in its emergency shell',
  },
];

/** The first sign of failure in what a machine has said, with the line it stands in. */
export function failureIn(text: string): Failure | null {
  for (const { code, pattern, what } of signs) {
    const match = pattern.exec(text);
    if (match === null) continue;
    const complaint = code === 'boot-loader-stuck' ? lastComplaint(text.slice(0, match.index)) : null;
    return { code, reason: `${what}: "${complaint ?? lineAt(text, match.index)}".` };
  }
  return null;
}

/* The prompt of a boot loader says nothing; what it complained of before does. */
function lastComplaint(text: string): string | null {
  const found = [...text.matchAll(/^error: [^\r\n]+/gm)];
  return found.at(-1)?.[0].trim() ?? null;
}

/** The line of a text that the character `at` stands in. */
export function lineAt(text: string, at: number): string {
  const from = Math.max(text.lastIndexOf('\n', at - 1), text.lastIndexOf('\r', at - 1)) + 1;
  const end = text.slice(at).search(/[\r\n]/);
  return text.slice(from, end < 0 ? undefined : at + end).trim();
}

/** A login prompt, as getty writes it. */
export const loginPrompt = /^\S+ login:/m;

/** What a machine has said until now, and for how many seconds nothing else came. */
export interface Said {
  readonly seconds: number;
  readonly serial: string;
  /** Null in graphics. */
  readonly screen: string | null;
}

/** What is said of a machine whose firmware handed over to something that shows nothing; null of any other. */
export function neverStarted({ seconds, serial, screen }: Said): Failure | null {
  const [shown] = screen === null || lastLines(serial, 1).length > 0 ? [] : lastLines(screen, 1);
  // The words of SeaBIOS and of GRUB's first sector.
  if (shown === undefined || !/^Booting from (?:Hard Disk|ROM|DVD\/CD)|^GRUB(?: loading\.*)?$/.test(shown)) {
    return null;
  }
  return {
    code: 'boot-loader-stuck',
    reason: `Nothing was shown within ${Math.round(seconds)} s after "${shown}": the boot loader does not run.`,
  };
}

/** What is said where the time was up and nothing had told how it stands. */
export function timedOut(said: Said): Failure {
  const { seconds, serial, screen } = said;
  const [last] = lastLines(serial, 1);
  if (last !== undefined) {
    return {
      code: 'timed-out',
      reason: `What was waited for did not come within ${seconds} s. The serial line last said "${last}".`,
    };
  }
  const stuck = neverStarted(said);
  if (stuck !== null) return stuck;
  const [shown] = screen === null ? [] : lastLines(screen, 1);
  const seen =
    shown === undefined
      ? 'What the screen shows is kept as a picture: look at it'
      : `The screen last showed "${shown}"`;
  return {
    code: 'silent',
    reason: `Nothing came on the serial line within ${seconds} s. ${seen}, and see to it that the guest speaks on ttyS0, or name a --probe.`,
  };
}
