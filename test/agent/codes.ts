import { isCoded } from '../../src/errors/index.ts';

/** The code of the error `work` throws; null when it throws none. Anything uncoded is thrown on. */
export function codeOf(work: () => unknown): string | null {
  try {
    work();
  } catch (error) {
    if (isCoded(error)) return error.code;
    throw error;
  }
  return null;
}
