import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CartridgeFile, createLibrary, openLibrary } from '../../src/tape/virtual/index.ts';
import type { Drive, Machine } from '../harness/index.ts';
import { newDisk, remetalOk, type Rig } from '../steps/index.ts';
import type { TapeTarget } from '../tape-target/target.ts';
import { smallDisk, type SmallDisk } from './small-disk.ts';

const MiB = 2 ** 20;
const roomy = { size: 64 * MiB };
/** The serials of the disks the cases restore onto. */
export type TargetSerial = 'EARLY' | 'RESET' | 'UNREADABLE' | 'RESET-READ' | 'SWAP-READ';

export interface Scene {
  readonly disk: SmallDisk;
  /** Folders of a library with a lone drive, and of one with a changer. */
  readonly lone: string;
  readonly changer: string;
  readonly targets: Readonly<Record<TargetSerial, string>>;
  readonly drives: readonly Drive[];
}

/** The scene in front of the machine that runs. */
export interface Stage extends Scene {
  readonly rig: Rig;
  readonly machine: Machine;
  readonly loneTarget: TapeTarget;
  readonly changerTarget: TapeTarget;
}

/** A library with a lone drive, and on two of its cartridges a set of the small disk each, written on the host. */
async function makeLone(rig: Rig, disk: SmallDisk): Promise<string> {
  const folder = join(rig.scratch, 'lone');
  await createLibrary(folder, {
    drives: 1,
    slots: 0,
    cartridges: { READ: roomy, OTHER: roomy, SWAP: roomy },
  });
  const library = await openLibrary(folder);
  for (const cartridge of ['READ', 'OTHER']) {
    await library.insert(cartridge);
    const name = cartridge.toLowerCase();
    await remetalOk(rig, ['backup', '--disk', disk.file, '--to', `tape+file:${folder}`, '--name', name]);
    await library.remove();
  }
  return folder;
}

/** A library with a changer, all its cartridges blank and beside it. */
async function makeChanger(rig: Rig): Promise<string> {
  const folder = join(rig.scratch, 'changer');
  const cartridges = { RESET1: roomy, RESET2: roomy, EARLY1: roomy, EARLY2: roomy };
  await createLibrary(folder, { drives: 1, slots: 4, cartridges });
  const library = await openLibrary(folder);
  for (let slot = 1; slot <= 4; slot++) await library.remove({ slot });
  return folder;
}

function attached([serial, file]: readonly [string, string]): Drive {
  return { file, format: 'raw', controller: 'virtio-scsi', serial };
}

export async function makeScene(rig: Rig): Promise<Scene> {
  const disk = smallDisk(rig.scratch);
  const blank = (serial: TargetSerial): string => newDisk(rig, `${serial}.raw`, disk.bytes);
  const targets = {
    EARLY: blank('EARLY'),
    RESET: blank('RESET'),
    UNREADABLE: blank('UNREADABLE'),
    'RESET-READ': blank('RESET-READ'),
    'SWAP-READ': blank('SWAP-READ'),
  };
  return {
    disk,
    lone: await makeLone(rig, disk),
    changer: await makeChanger(rig),
    targets,
    drives: [['SMALL', disk.file] as const, ...Object.entries(targets)].map(attached),
  };
}

/** Fills the slots of the changer from the first on, and has its drive and all other slots empty. */
export async function fillSlots({ changerTarget }: Stage, cartridges: readonly string[]): Promise<void> {
  const { control } = changerTarget;
  await control.remove();
  for (let slot = 1; slot <= 4; slot++) await control.remove({ slot });
  for (const [index, cartridge] of cartridges.entries()) await control.insert(cartridge, { slot: index + 1 });
}

/** Has a cartridge in the lone drive. */
export async function putIn({ loneTarget }: Stage, cartridge: string): Promise<void> {
  await loneTarget.control.remove();
  await loneTarget.control.insert(cartridge);
}

/** A cartridge to its last bit, its memory chip included. */
export function bitsOf(library: string, cartridge: string): string {
  return createHash('sha256')
    .update(readFileSync(join(library, `${cartridge}.cartridge`)))
    .digest('hex');
}

async function reading<T>(
  library: string,
  cartridge: string,
  look: (tape: CartridgeFile) => T | Promise<T>,
): Promise<T> {
  const tape = await CartridgeFile.open(join(library, `${cartridge}.cartridge`), true);
  try {
    return await look(tape);
  } finally {
    await tape.close();
  }
}

/** The bytes that the blocks before one of a cartridge take. */
export function bytesBefore(library: string, cartridge: string, block: number): Promise<number> {
  return reading(library, cartridge, (tape) => tape.bytesBefore(block));
}

/** Blocks and filemarks on a cartridge. */
export function recordsOf(library: string, cartridge: string): Promise<number> {
  return reading(library, cartridge, (tape) => tape.records);
}

/** The number of the block that holds some bytes, filemarks counted. */
export function blockWith(library: string, cartridge: string, piece: Buffer): Promise<number> {
  return reading(library, cartridge, async (tape) => {
    for (let number = 0; number < tape.records; number++) {
      const block = Buffer.alloc(tape.lengthOf(number));
      if (block.length > 0) await tape.read(number, block);
      if (block.includes(piece)) return number;
    }
    throw new Error(`Cartridge ${cartridge} does not hold the bytes that are looked for.`);
  });
}
