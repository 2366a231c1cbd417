import { formatBytes } from '../bytes/index.ts';
import { isCoded, RemetalError, systemCode } from '../errors/index.ts';

/** A coded error for what the system said about a file of a medium. */
export function mediumError(path: string, error: unknown, writtenBytes: number | null = null): RemetalError {
  if (isCoded(error)) return error;
  const code = systemCode(error);
  const facts = { path, ...(writtenBytes === null ? {} : { writtenBytes }) };
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new RemetalError(
      'medium-full',
      `Medium ${path} is full after ${formatBytes(writtenBytes ?? 0)}.`,
      {
        hint: 'Free some room or use a larger medium, then run the backup again.',
        facts,
        cause: error,
      },
    );
  }
  if (code === 'EFBIG') {
    return new RemetalError('medium-full', `Medium ${path} takes no file as large as this.`, {
      hint: 'Give a part size below the limit of its file system (4 GiB on FAT).',
      facts,
      cause: error,
    });
  }
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new RemetalError('medium-not-found', `Medium ${path} is not there.`, { facts, cause: error });
  }
  return new RemetalError(
    'medium-failed',
    `Medium ${path} failed: ${error instanceof Error ? error.message : String(error)}.`,
    {
      facts,
      cause: error,
    },
  );
}
