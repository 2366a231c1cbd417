import type { CartridgeFile } from './cartridge-file.ts';
import { check, good, senseCode, senseFlag, senseKey, type Answer } from './sense.ts';

/** Where the tape stands after it was spaced, and what the drive says. */
export interface Spaced {
  readonly position: number;
  readonly answer: Answer;
}

type Tape = Pick<CartridgeFile, 'records' | 'filemarksBefore' | 'filemark'>;

/** Spaces over blocks, backwards for a negative count; a filemark ends it, and then is passed (SSC-4, SPACE). */
export function spaceBlocks(tape: Tape, position: number, count: number): Spaced {
  const marks = tape.filemarksBefore(position);
  const target = position + count;
  if (count >= 0) {
    const mark = tape.filemark(marks);
    if (mark !== null && mark < target) return stopped(mark + 1, target - mark, 'filemark');
    return target > tape.records ? stopped(tape.records, target - tape.records, 'end') : arrived(target);
  }
  const mark = marks === 0 ? null : tape.filemark(marks - 1);
  if (mark !== null && mark >= target) return stopped(mark, mark - target + 1, 'filemark');
  return target < 0 ? stopped(0, -target, 'beginning') : arrived(target);
}

/** Spaces over filemarks: forwards to behind the last of them, backwards to before it. */
export function spaceFilemarks(tape: Tape, position: number, count: number): Spaced {
  const marks = tape.filemarksBefore(position);
  if (count === 0) return arrived(position);
  if (count > 0) {
    const mark = tape.filemark(marks + count - 1);
    if (mark !== null) return arrived(mark + 1);
    return stopped(tape.records, count - (tape.filemarksBefore(tape.records) - marks), 'end');
  }
  if (marks + count < 0) return stopped(0, -count - marks, 'beginning');
  return arrived(tape.filemark(marks + count)!);
}

function arrived(position: number): Spaced {
  return { position, answer: good() };
}

const stops = {
  filemark: { key: senseKey.none, code: senseCode.filemark, flags: senseFlag.filemark },
  end: { key: senseKey.blankCheck, code: senseCode.endOfData, flags: 0 },
  beginning: { key: senseKey.none, code: senseCode.beginningOfMedium, flags: senseFlag.endOfMedium },
} as const;

function stopped(position: number, information: number, at: keyof typeof stops): Spaced {
  const { key, code, flags } = stops[at];
  return { position, answer: check(key, code, { flags, information }) };
}
