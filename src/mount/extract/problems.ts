import { RemetalError } from '../../errors/index.ts';
import type { Notice } from '../../progress/index.ts';
import type { Withheld } from './attributes.ts';
import { hasCode } from './target-folder.ts';

/** What went wrong with one file. */
export interface Problem {
  /** A code of ours, or the name of a system error. */
  readonly code: string;
  readonly message: string;
}

/* What ends everything: the place is full or gone, or the person has stopped it. */
const concerningAll = ['ENOSPC', 'EDQUOT', 'EROFS', 'EIO', 'ENFILE', 'EMFILE'];

const fatalCodes: ReadonlySet<string> = new Set(['interrupted', 'internal', 'disk-gone', 'part-missing']);

/** What went wrong with one file, in words. Throws what concerns all files. */
export function problemOf(error: unknown, path: string): Problem {
  if (error instanceof RemetalError) {
    if (fatalCodes.has(error.code)) throw error;
    return { code: error.code, message: sentence(error.message) };
  }
  const { code, message, isOfSystem } = systemWords(error);
  if (!isOfSystem) throw error;
  if (concerningAll.includes(code)) {
    throw new RemetalError('target-unwritable', `Nothing can be written any more: ${message}.`, {
      hint: 'What was written so far is whole; make room and extract again.',
      facts: { path, errno: code },
      cause: error,
    });
  }
  return named(code, path, message);
}

function systemWords(error: unknown): { code: string; message: string; isOfSystem: boolean } {
  const isSystem =
    error instanceof Error && 'code' in error && ('syscall' in error || hasCode(error, 'EINVAL', 'EEXIST'));
  return {
    code: error instanceof Error && 'code' in error ? String(error.code) : '',
    message: error instanceof Error ? error.message : String(error),
    isOfSystem: isSystem,
  };
}

function named(code: string, path: string, message: string): Problem {
  switch (code) {
    case 'EEXIST':
      return { code: 'file-exists', message: `${path} is there already and was left alone.` };
    case 'EISDIR':
    case 'ENOTEMPTY':
      return { code: 'file-exists', message: `A directory has the name of ${path} and was left alone.` };
    case 'ENOTDIR':
    case 'ELOOP':
      return {
        code: 'file-exists',
        message: `A file or a link stands where a directory of ${path} would be, and was left alone.`,
      };
    case 'EPERM':
    case 'EACCES':
      return { code: 'not-permitted', message: `${path} cannot be made by this user.` };
    case 'ENAMETOOLONG':
      return { code, message: `The name of ${path} is too long for where it would be written.` };
    default:
      return { code, message: `${path}: ${message}.` };
  }
}

function sentence(text: string): string {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}

/** What of several files could not be set, each told once. */
export function noticesOf({ owners, attributes, modes }: Withheld): Notice[] {
  const how = process.getuid?.() === 0 ? 'where they are written knows none' : 'that takes root';
  const notices: Notice[] = [];
  const tell = (count: number, what: string, code: string): void => {
    if (count === 0) return;
    const files = count === 1 ? '1 file' : `${count} files`;
    const message = `The ${what} of ${files} could not be set: ${how}.`;
    notices.push({ level: 'info', code, message, facts: { files: count } });
  };
  tell(owners, 'owners', 'owners-not-set');
  tell(modes, 'permissions', 'permissions-not-set');
  tell(attributes, 'extended attributes', 'attributes-not-set');
  return notices;
}
