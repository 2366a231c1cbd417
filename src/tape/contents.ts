import { isCoded } from '../errors/index.ts';
import type { TapeDrive } from './drive.ts';
import { beginningLength, identify, type Identity } from './identify.ts';
import { decodeLabel, type CartridgeLabel } from './label.ts';
import { decodePartLabel, endingOf, isTarEnd, type PartLabel, type PartOnCartridge } from './part-label.ts';

export type { PartOnCartridge };

/** What is on a cartridge, as far as its beginning and the ends of its files tell. */
export interface CartridgeContents {
  /** Null where it has no label of ours. */
  readonly label: CartridgeLabel | null;
  /** True for a cartridge nothing was ever written on. */
  readonly blank: boolean;
  /**
   * What another program wrote, in words (`a tar archive`, `an LTFS volume`, `a Bacula volume`), in place of our
   * label or anywhere behind it; null where there is none. Such a cartridge is written on only when a person says so.
   */
  readonly foreign: string | null;
  /** File number of the label; 1 behind an appliance. */
  readonly labelFile: number;
  readonly parts: readonly PartOnCartridge[];
  /** Number of the file at which the next part goes: behind the last one, or over it where it was interrupted. */
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

/** Blocks shorter than a sector of a disk are not read on and on for a beginning. */
const mostBlocks = 128;
const unreadable = 'data whose beginning cannot be read';

/**
 * What is on the cartridge in the drive, which is ready: its label, and of every part the first and the last
 * record. Throws what the drive throws, `cartridge-unlabelled` for a label of ours that is damaged,
 * `set-too-new` for one of a later format.
 */
export async function readContents(drive: TapeDrive): Promise<CartridgeContents> {
  await drive.rewind();
  const first = await identityOf(drive);
  if (first === 'end') return { ...nothing, blank: true };
  if (first === 'empty') {
    // Two filemarks, or one and no data behind it, are what some drives have for an erased tape.
    const behind = await identityOf(drive);
    if (behind === 'end' || behind === 'empty') return { ...nothing, blank: true };
    return { ...nothing, foreign: 'an empty file before others' };
  }
  let labelFile = 0;
  let identity: Identity = first;
  if (identity.kind === 'appliance') {
    labelFile = 1;
    const next = (await drive.toFile(1)) ? await identityOf(drive) : 'end';
    if (typeof next === 'string') return { ...nothing, foreign: 'a bootable image of ours without a label' };
    identity = next;
  }
  if (identity.kind === 'label') return await partsBehind(drive, identity.label, labelFile);
  return { ...nothing, foreign: identity.kind === 'foreign' ? identity.words : 'bootable images', labelFile };
}

/** Turns a block that cannot be read into null. */
function orUnreadable(error: unknown): null {
  if (isCoded(error, 'block-unreadable')) return null;
  throw error;
}

/** What the file that begins here is. An empty one is passed. */
async function identityOf(drive: TapeDrive): Promise<Identity | 'empty' | 'end'> {
  const blocks: Buffer[] = [];
  for (let length = 0; length < beginningLength && blocks.length < mostBlocks;) {
    const block = await drive.read().catch(orUnreadable);
    if (!Buffer.isBuffer(block)) {
      if (blocks.length > 0) break;
      if (block === null) return { kind: 'foreign', words: unreadable };
      return block === 'filemark' ? 'empty' : 'end';
    }
    blocks.push(block);
    length += block.length;
    // A label is one block; whatever follows is behind a filemark.
    if (blocks.length === 1 && identify(blocks).kind === 'label') break;
  }
  return identify(blocks);
}

async function partsBehind(
  drive: TapeDrive,
  label: CartridgeLabel,
  labelFile: number,
): Promise<CartridgeContents> {
  const parts: PartOnCartridge[] = [];
  let foreign: string | null = null;
  let appendAt = labelFile + 1;
  try {
    // What is not ours is passed: sets behind it are to be found all the same.
    for (let file = labelFile + 1; await drive.toFile(file); file++) {
      const first = await drive.read().catch(orUnreadable);
      if (first === 'end') break;
      if (first === 'filemark') continue;
      const part = first === null ? null : decodePartLabel(first);
      // A drive that went back over a filemark without a word gives the same file again.
      if (part !== null && isSameOpen(parts.at(-1), part)) break;
      appendAt = file + 1;
      if (part === null) {
        foreign ??= first === null ? unreadable : wordsFor(first);
        continue;
      }
      parts.push({ file, ...part, ends: 'open' });
      const { ends, reusable } = await endOf(drive, part);
      parts.splice(-1, 1, { file, ...part, ends });
      if (reusable) appendAt = file;
      if (drive.position?.file !== file + 1) break;
    }
  } catch (error) {
    // A drive that lost its power while it wrote may find no end of the data, and nothing goes behind it.
    if (!isCoded(error, 'drive-failed')) throw error;
    await drive.readyAgain();
    await checkSame(drive, label, labelFile, error);
    foreign ??= 'data whose end cannot be found';
  }
  return { label, blank: false, foreign, labelFile, parts, appendAt, full: parts.at(-1)?.ends === 'part' };
}

/** Whether a part is the one before, in which no end was found. */
function isSameOpen(before: PartOnCartridge | undefined, part: PartLabel): boolean {
  return (
    before?.ends === 'open' &&
    before.set === part.set &&
    before.setId === part.setId &&
    before.part === part.part
  );
}

/** Throws what failed when the cartridge is not the one any more whose label was read. */
async function checkSame(
  drive: TapeDrive,
  { cartridge }: CartridgeLabel,
  labelFile: number,
  failure: unknown,
): Promise<void> {
  const block = (await drive.toFile(labelFile)) ? await drive.read() : null;
  const found = Buffer.isBuffer(block) ? decodeLabel(block) : null;
  if (found?.cartridge !== cartridge) throw failure;
}

/** How the part ends that the tape stands in, and whether its room may be used again. */
async function endOf(
  drive: TapeDrive,
  part: PartLabel,
): Promise<Pick<PartOnCartridge, 'ends'> & { readonly reusable: boolean }> {
  try {
    const ends = endingOf(part, await drive.lastBlock((block) => !isTarEnd(block)));
    return { ends, reusable: ends === 'open' };
  } catch (error) {
    // It may well be whole, and another drive may read it.
    if (isCoded(error, 'block-unreadable')) return { ends: 'open', reusable: false };
    throw error;
  }
}

function wordsFor(block: Buffer): string {
  try {
    const identity = identify([block]);
    return identity.kind === 'foreign' ? identity.words : 'a second label or image';
  } catch (error) {
    if (isCoded(error)) return 'a damaged label';
    throw error;
  }
}
