import type { LibraryRequest } from '../../src/tape/virtual/index.ts';
import { stepsOf as does, type Step } from './tape-steps.ts';

const mebi = 1024 * 1024;

/**
 * A lone drive whose cartridge A fails in the ways that the steps meet, with a cartridge B that is swapped in.
 * Writes and reads are counted from 0.
 */
export const faultLibrary: LibraryRequest = {
  drives: 1,
  slots: 0,
  cartridges: {
    A: {
      size: 8 * mebi,
      faults: {
        unwritable: [2],
        unreadable: [1],
        events: [
          { before: 'write', number: 6, happens: 'hardware-error' },
          { before: 'write', number: 9, happens: 'bus-reset' },
          { before: 'write', number: 14, happens: 'swap', barcode: 'B' },
        ],
      },
    },
    B: {
      size: 8 * mebi,
      faults: {
        events: [
          { before: 'write', number: 4, happens: 'protect' },
          { before: 'read', number: 3, happens: 'swap', barcode: 'C' },
        ],
      },
    },
    C: {
      size: 8 * mebi,
      faults: { events: [{ before: 'write', number: 2, happens: 'swap', barcode: 'D' }] },
    },
    D: {
      size: 8 * mebi,
      faults: { events: [{ before: 'write', number: 1, happens: 'swap', barcode: 'E' }] },
    },
    E: {
      size: 8 * mebi,
      faults: { events: [{ before: 'write', number: 1, happens: 'swap', barcode: 'F' }] },
    },
    F: {
      size: 8 * mebi,
      faults: { events: [{ before: 'write', number: 1, happens: 'swap', barcode: 'G' }] },
    },
    G: {
      size: 8 * mebi,
      faults: { events: [{ before: 'write', number: 1, happens: 'swap', barcode: 'H' }] },
    },
    H: {
      size: 8 * mebi,
      faults: { events: [{ before: 'write', number: 1, happens: 'bus-reset' }] },
    },
  },
};

/** What is done to the drive of `faultLibrary` with cartridge A in it. */
export const faultSteps: readonly Step[] = [
  does.operate('REW'),
  does.operate('SETBLK', 0),
  does.write(4096, 0),
  does.write(4096, 1),
  // The medium fails once; the next write goes behind the last good block.
  does.write(4096, 2),
  does.write(4096, 3),
  does.operate('WEOF'),
  does.operate('REW'),
  does.read(4096, 0),
  // This block can never be read; it is gone round.
  does.read(4096),
  does.read(4096),
  does.operate('FSR'),
  does.read(4096, 3),
  does.read(4096),
  does.operate('SEEK', 1),
  does.read(4096),
  does.operate('SEEK', 2),
  does.read(4096, 3),
  // The drive itself fails.
  does.operate('EOM'),
  does.write(4096, 4),
  does.write(4096, 5),
  does.write(4096, 6),
  does.write(4096, 7),
  does.operate('WEOF'),
  // The bus is reset.
  does.write(4096, 8),
  does.write(4096, 9),
  does.operate('NOP'),
  does.operate('FSR'),
  does.operate('REW'),
  does.read(4096, 0),
  does.operate('EOM'),
  does.write(4096, 10),
  does.write(4096, 11),
  // A person puts another cartridge into the drive.
  does.write(4096, 12),
  does.write(4096, 13),
  does.write(4096, 14),
  does.write(4096, 15),
  does.operate('WEOF'),
  does.operate('REW'),
  does.read(4096, 14),
  does.operate('EOM'),
  does.write(4096, 16),
  does.write(4096, 17),
  // The tab is moved.
  does.write(4096, 18),
  does.operate('WEOF'),
  does.operate('REW'),
  does.read(4096, 13),
  does.read(4096),
  // Another cartridge, while one is read.
  does.read(4096),
  does.read(4096),
  does.operate('REW'),
  does.read(4096),
  does.operate('REW'),
  does.write(4096, 20),
  does.operate('WEOF'),
  // Rewinding after a swap ends the file that was written, on the cartridge that is in the drive now.
  does.write(4096, 21),
  does.write(4096, 22),
  does.operate('REW'),
  does.read(4096),
  // Not if the driver forgets first that it was writing.
  does.write(4096, 23),
  does.write(4096, 24),
  does.operate('UNLOCK'),
  does.operate('REW'),
  does.read(4096),
  does.operate('REW'),
  // So does closing.
  does.write(4096, 25),
  does.write(4096, 26),
  does.reopen('write'),
  does.operate('REW'),
  does.read(4096),
  does.write(4096, 27),
  does.write(4096, 28),
  does.operate('UNLOCK'),
  does.reopen('write'),
  does.operate('REW'),
  does.read(4096),
  does.operate('REW'),
  // A read makes it forget too.
  does.write(4096, 29),
  does.write(4096, 30),
  does.read(4096),
  does.reopen('write'),
  does.operate('REW'),
  does.read(4096),
  // After a reset, closing writes none.
  does.operate('REW'),
  does.write(4096, 31),
  does.write(4096, 32),
  does.read(4096),
  does.write(4096, 33),
  does.reopen('read'),
  does.operate('REW'),
  does.read(4096, 31),
  does.read(4096),
];
