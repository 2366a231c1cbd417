import { isCoded } from '../errors/index.ts';
import type { TapeDrive } from './drive.ts';
import { identify, type Identity } from './identify.ts';
import type { CartridgeLabel } from './label.ts';
import { decodePartLabel, endingOf, isTarEnd } from './part-label.ts';

/** One part of a backup set on a cartridge: a file of the tape, whose blocks are the records of the part. */
export interface PartOnCartridge {
  /** Number of the file on the tape, from 0. */
  readonly file: number;
  /** Name of the set on the medium: the folder of its tar names. */
  readonly set: string;
  readonly setId: string;
  /** From 1. */
  readonly part: number;
  /** Ordinal of the first numbered record in the part. */
  readonly firstOrdinal: number;
  /** What the machine is called, and when the set was made, from the head in the part's label. */
  readonly machine: string;
  readonly createdAt: string;
  /** How it ends: the set with it, the part only (another follows), or with neither (interrupted). */
  readonly ends: 'set' | 'part' | 'open';
}

/** What is on a cartridge, as far as its beginning and the ends of its files tell. */
export interface CartridgeContents {
  /** Null where it has no label of ours. */
  readonly label: CartridgeLabel | null;
  /** True for a cartridge nothing was ever written on. */
  readonly blank: boolean;
  /** What another program wrote, in words (`a tar archive`, `an LTFS volume`, `a Bacula volume`); null where there is none. */
  readonly foreign: string | null;
  /** File number of the label; 1 behind an appliance. */
  readonly labelFile: number;
  readonly parts: readonly PartOnCartridge[];
  /** Number of the file at which the next part goes: behind the last one that is whole. */
  readonly appendAt: number;
  /** True when the last part says that the set goes on elsewhere: the cartridge has no room. */
  readonly full: boolean;
}

const nothing = {
  label: null,
  blank: false,
  foreign: null,
  labelFile: 0,
  parts: [],
  appendAt: 0,
  full: false,
} as const satisfies CartridgeContents;

/** So much of the beginning of a tape tells what it is. */
const beginning = 64 * 1024;
const mostBlocks = 64;

/**
 * What is on the cartridge in the drive, which is ready: its label, and of every part the first and the last
 * record. Throws what the drive throws, `cartridge-unlabelled` for a label of ours that is damaged.
 */
export async function readContents(drive: TapeDrive): Promise<CartridgeContents> {
  await drive.rewind();
  const first = await identityOf(drive);
  if (first === null) return { ...nothing, blank: true };
  let labelFile = 0;
  let identity = first;
  if (identity.kind === 'appliance') {
    labelFile = 1;
    const next = (await drive.toFile(1)) ? await identityOf(drive) : null;
    if (next === null) return { ...nothing, foreign: 'a bootable image', labelFile };
    identity = next;
  }
  if (identity.kind !== 'label') {
    const foreign = identity.kind === 'foreign' ? identity.words : 'a bootable image';
    return { ...nothing, foreign, labelFile };
  }
  return await partsBehind(drive, identity.label, labelFile);
}

/** What the file that begins here is; null at the end of the data. */
async function identityOf(drive: TapeDrive): Promise<Identity | null> {
  const blocks: Buffer[] = [];
  for (let length = 0; length < beginning && blocks.length < mostBlocks;) {
    const block = await drive.read().catch((error: unknown) => {
      if (isCoded(error, 'block-unreadable')) return null;
      throw error;
    });
    if (block === null) {
      if (blocks.length === 0) return { kind: 'foreign', words: 'data whose beginning cannot be read' };
      break;
    }
    if (!Buffer.isBuffer(block)) {
      if (blocks.length === 0 && block === 'filemark') return { kind: 'foreign', words: 'an empty file' };
      break;
    }
    blocks.push(block);
    length += block.length;
  }
  return blocks.length === 0 ? null : identify(blocks);
}

async function partsBehind(
  drive: TapeDrive,
  label: CartridgeLabel,
  labelFile: number,
): Promise<CartridgeContents> {
  const parts: PartOnCartridge[] = [];
  let foreign: string | null = null;
  let file = labelFile + 1;
  for (; await drive.toFile(file); file++) {
    const first = await drive.read().catch((error: unknown) => {
      if (isCoded(error, 'block-unreadable')) return null;
      throw error;
    });
    if (first === 'end') break;
    const part = Buffer.isBuffer(first) ? decodePartLabel(first) : null;
    if (part === null) {
      foreign = first === null ? 'data whose beginning cannot be read' : 'data of another program';
      break;
    }
    const last = await drive
      .lastBlock((block) => !isTarEnd(block))
      .catch((error: unknown) => {
        if (isCoded(error, 'block-unreadable')) return null;
        throw error;
      });
    parts.push({ file, ...part, ends: endingOf(last) });
    if (drive.position === null) break;
  }
  const last = parts.at(-1);
  const torn = last?.ends === 'open';
  return {
    label,
    blank: false,
    foreign,
    labelFile,
    parts,
    appendAt: torn ? last.file : (last?.file ?? labelFile) + 1,
    full: last?.ends === 'part',
  };
}
