import { RemetalError } from '../errors/index.ts';
import { setNamePattern } from './medium.ts';

const partPattern = /\.part\d{4}$/;

/** Throws `usage` unless `name` may name a set. */
export function checkSetName(name: string): void {
  if (setNamePattern.test(name) && !partPattern.test(name)) return;
  throw new RemetalError('usage', `Set name "${name}" is not allowed.`, {
    hint: 'Use up to 64 letters, digits, dots, dashes and underscores.',
    facts: { name },
  });
}

/** The file name of part `number` (from 0) of a set. */
export function partFileName(name: string, number: number): string {
  return number === 0 ? `${name}.tar` : `${name}.part${String(number + 1).padStart(4, '0')}.tar`;
}

export interface PartFile {
  readonly set: string;
  readonly number: number;
  readonly committed: boolean;
}

/** What a file in a medium's directory is, or null when it is no part of a set. */
export function parsePartFileName(file: string): PartFile | null {
  const found = /^(.+?)(?:\.part(\d{4,}))?\.tar(\.partial)?$/.exec(file);
  if (found === null || !setNamePattern.test(found[1]!)) return null;
  const number = found[2] === undefined ? 0 : Number(found[2]) - 1;
  if (number > 9999 || (found[2] !== undefined && number < 1)) return null;
  return { set: found[1]!, number, committed: found[3] === undefined };
}
