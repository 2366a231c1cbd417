import { chmodSync, lchownSync } from 'node:fs';
import { RemetalError } from '../../errors/index.ts';
import { setAttribute, setFileTimes, type FilePath } from '../../system/index.ts';
import type { Entry } from './catalogue.ts';
import { hasCode } from './target-folder.ts';

/** What of files could not be set because of who runs this or of where they are written: told once. */
export interface Withheld {
  /** How many files. */
  owners: number;
  attributes: number;
  modes: number;
}

const setIds = 0o6000;
const unable = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL'];

/**
 * Gives a file, directory, link or node what it had beside its bytes: owner, permissions, extended attributes with the
 * access lists, times. In that order: a change of owner takes rights away, one of permissions changes access lists.
 * Throws a system error for what should have been possible.
 */
export function giveAttributes(path: FilePath, entry: Entry, withheld: Withheld): void {
  const { file, attributes } = entry;
  let owned = file.owner !== null;
  if (file.owner !== null) {
    try {
      lchownSync(path, file.owner.user, file.owner.group);
    } catch (error) {
      if (!hasCode(error, ...unable)) throw error;
      withheld.owners++;
      owned = false;
    }
  }
  if (file.mode !== null && file.kind !== 'link') {
    try {
      // A program that runs with its owner's rights must not run with somebody else's.
      chmodSync(path, owned ? file.mode : file.mode & ~setIds);
    } catch (error) {
      if (!hasCode(error, ...unable)) throw error;
      withheld.modes++;
    }
  }
  const refused = giveExtended(path, attributes, withheld);
  setFileTimes(path, file.accessed ?? file.modified, file.modified);
  if (refused !== null) throw refused;
}

/** Sets what can be set of the extended attributes, and gives the first error that says something of the file. */
function giveExtended(path: FilePath, attributes: Entry['attributes'], withheld: Withheld): Error | null {
  const isRoot = process.getuid?.() === 0;
  let complete = true;
  let refused: Error | null = null;
  for (const { name, value } of attributes) {
    try {
      setAttribute(path, name, value);
    } catch (error) {
      if (hasCode(error, 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS') || (hasCode(error, 'EPERM') && !isRoot)) {
        complete = false;
      } else if (hasCode(error, 'ENOSPC', 'E2BIG', 'ERANGE')) {
        // Said of one attribute it means that the file system has too little room for attributes.
        const message = `its attribute ${name} of ${value.length} bytes is larger than can be kept there`;
        refused ??= new RemetalError('target-unwritable', message, { cause: error });
      } else if (error instanceof Error) refused ??= error;
      else throw error;
    }
  }
  if (!complete) withheld.attributes++;
  return refused;
}
