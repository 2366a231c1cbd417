import { readFile } from 'node:fs/promises';
import { getRawAsset, isSea } from 'node:sea';

/** The files of the source tree that the program needs as they stand; `src/appliance/agent.ts` packs them. */
export const sourceFiles = ['tools/remetal-reader.py'] as const;

/** The content of one of them: from the source tree, or from inside the single executable. */
export async function sourceFile(name: (typeof sourceFiles)[number]): Promise<Buffer> {
  if (isSea()) return Buffer.from(getRawAsset(name));
  return await readFile(new URL(`../../${name}`, import.meta.url));
}
