import { RemetalError } from '../errors/index.ts';
import type { Notice } from '../progress/index.ts';
import { availableMemory } from '../system/index.ts';
import { openTape, type TapeOperator } from '../tape/index.ts';
import { fileMedium, type FileMediumOptions } from './file.ts';
import type { Medium } from './medium.ts';
import { tapeMedium } from './tape.ts';

/** What the kinds of media want to know; each takes what is for it. */
export interface MediumOptions extends FileMediumOptions {
  readonly tape?: TapeWishes;
}

/** How tapes are used. */
export interface TapeWishes {
  /** Who changes cartridges where no changer does; nobody when absent. */
  readonly operator?: TapeOperator;
  /** Told what a person should know on the way. */
  readonly tell?: (notice: Notice) => void;
  readonly signal?: AbortSignal;
  /** Serial or node of the changer, or `none`; the one that fills the drive when absent. */
  readonly changer?: string;
  /** Bytes of the buffer between disk and tape; an eighth of what memory is free, 1 GiB at most, when absent. */
  readonly bufferBytes?: number;
}

/** One kind of medium: the scheme its addresses begin with, and how it is opened. */
interface MediumKind {
  readonly scheme: string;
  open(address: string, options: MediumOptions): Medium;
}

/** Every kind of medium, one line each. */
const kinds: readonly MediumKind[] = [
  { scheme: 'file', open: (address, options) => fileMedium(address.replace(/^file:(\/\/)?/, ''), options) },
  { scheme: 'tape', open: openTapeMedium },
  { scheme: 'tape+file', open: openTapeMedium },
];

const smallestBuffer = 32 * 1024 * 1024;
const largestBuffer = 1024 * 1024 * 1024;
/** Of the buffer, before the tape starts: as full as the records still being made leave it. */
const startFill = 0.9;

function openTapeMedium(address: string, { tape = {}, partSize }: MediumOptions): Medium {
  if (partSize !== undefined) {
    throw new RemetalError('usage', 'A part on tape is as long as its cartridge.', {
      hint: 'Leave the part size out.',
    });
  }
  const { tell, bufferBytes } = tape;
  const free = Math.floor(availableMemory() / 8);
  const bytes = bufferBytes ?? Math.min(Math.max(free, smallestBuffer), largestBuffer);
  return tapeMedium({
    name: address,
    open: () => openTape(address, tape),
    buffering: { bytes, start: startFill },
    ...(tell === undefined ? {} : { tell }),
  });
}

/**
 * The medium at an address: a directory, a `.tar` file, or `scheme:…` for the kinds that have one: `tape:` with
 * the path or serial of a drive, `tape+file:` with the folder of a virtual library. Throws `usage` for a scheme
 * that is not known. A directory that is not there is `medium-not-found` when it is first read, and made when a
 * set is first written.
 */
export function openMedium(address: string, options: MediumOptions = {}): Medium {
  const scheme = /^([a-z][a-z0-9+]+):/.exec(address)?.[1] ?? 'file';
  const kind = kinds.find((candidate) => candidate.scheme === scheme);
  if (kind !== undefined) return kind.open(address, options);
  throw new RemetalError('usage', `Medium address ${scheme}: is of no known kind.`, {
    hint: `Give a directory, a .tar file or an address of one of these kinds: ${kinds.map((k) => k.scheme).join(', ')}.`,
    facts: { scheme },
  });
}
