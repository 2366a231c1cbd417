import type { Difference } from './comparison.ts';

/*
 * What differs and is no mistake of the virtual drive's. Its lines, test/contract/tape-lines.ts, are those of
 * Linux 7.3.
 */

/** Of the steps with faults, on the appliance's kernel. */
export const byLinux61: readonly Difference[] = [
  {
    because: 'Linux 6.1 goes on counting after a bus reset as if nothing had been, until the tape is rewound',
    lines: {
      26: 'write 4096: EIO | -1/-1 9',
      27: 'NOP 1: ok | -1/-1 9',
      28: 'FSR 1: EIO | -1/-1 9 EOD',
      86: 'write 4096: EIO | 0/-1 1',
      87: 'read 4096: EIO | 0/-1 1',
    },
  },
  {
    because: 'Linux 6.1 takes writes after a bus reset, and ends the file at the close',
    lines: {
      88: 'write 4096: ok | 0/-1 2',
      89: 'reopen read: ok | 1/0 3 EOF',
      92: 'read 4096: 4096 | 0/2 2',
    },
  },
  {
    because: 'Linux 6.1 counts the filemark that a close wrote on a swapped cartridge as a file',
    lines: { 68: 'reopen write: ok | 1/0 1 EOF' },
  },
];

/** Of the steps before the end of the tape, on the drive of the kernel's module scsi_debug (Linux 7.3). */
export const byDebugTape: readonly Difference[] = [
  {
    because: 'scsi_debug keeps the first four bytes of a block',
    lines: {
      13: 'read 262144: 100000 other | 0/4 4',
      35: 'read 262144: 262144 other | 1/1 7',
      37: 'read 262144: 262144 other | 1/3 9',
      44: 'read 262144: 65536 other | 0/3 3',
      76: 'read 262144: 262144 other | -1/-1 9',
      86: 'read 262144: 65536 other | 0/2 2',
      139: 'read 4096: 4096 other | 0/1 1',
      146: 'read 4096: 4096 other | 0/1 1',
      153: 'read 4096: 4096 other | 0/1 1',
      154: 'read 4096: 4096 other | 0/2 2',
      165: 'read 4096: 4096 other | -1/-1 2',
      180: 'read 4096: 4096 other | 0/1 1',
      182: 'read 4096: 4096 other | 1/1 3',
      194: 'read 4096: 4096 other | 0/1 1',
    },
  },
  {
    because:
      'scsi_debug gives no bytes of a block that was written with a block size set, where one of any length is read',
    lines: { 134: 'read 65536: 0 | 0/1 1' },
  },
  {
    because: 'scsi_debug goes back one filemark too many where they follow each other',
    lines: {
      170: 'BSF 2: ok | 1/-1 1',
      171: 'FSF 2: ok | 3/0 3 EOF',
      172: 'FSR 1: EIO | 4/0 4 EOF',
    },
  },
  {
    because: 'scsi_debug says of a cartridge that is ejected that it is being loaded, not that there is none',
    lines: {
      212: 'reopen look: ok | -1/-1 EIO offline',
      213: 'REW 1: EIO | -1/-1 EIO offline',
      214: 'read 4096: EBADF | -1/-1 EIO offline',
      215: 'write 4096: EBADF | -1/-1 EIO offline',
    },
  },
];
