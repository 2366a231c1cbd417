import { RemetalError } from '../errors/index.ts';
import { fileMedium, type FileMediumOptions } from './file.ts';
import type { Medium } from './medium.ts';

/** One kind of medium: the scheme its addresses begin with, and how it is opened. */
interface MediumKind {
  readonly scheme: string;
  open(address: string, options: FileMediumOptions): Medium;
}

/** Every kind of medium, one line each. */
const kinds: readonly MediumKind[] = [
  { scheme: 'file', open: (address, options) => fileMedium(address.replace(/^file:(\/\/)?/, ''), options) },
];

/**
 * The medium at an address: a directory, a `.tar` file, or `scheme:…` for the kinds that have one.
 * Throws `usage` for a scheme that is not known. A directory that is not there is `medium-not-found`
 * when it is first read, and made when a set is first written.
 */
export function openMedium(address: string, options: FileMediumOptions = {}): Medium {
  const scheme = /^([a-z][a-z0-9+]+):/.exec(address)?.[1] ?? 'file';
  const kind = kinds.find((candidate) => candidate.scheme === scheme);
  if (kind !== undefined) return kind.open(address, options);
  throw new RemetalError('usage', `Medium address ${scheme}: is of no known kind.`, {
    hint: `Give a directory, a .tar file or an address of one of these kinds: ${kinds.map((k) => k.scheme).join(', ')}.`,
    facts: { scheme },
  });
}
