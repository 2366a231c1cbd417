import { readFile } from 'node:fs/promises';
import { usage, type Context } from './context.ts';

/**
 * The paths of a list: one a line, or separated by zeros. `-` is standard input. Empty ones are passed over. Throws
 * `usage` where there is no such file.
 */
export async function pathList(context: Context, list: string, zeros: boolean): Promise<string[]> {
  const bytes = list === '-' ? await all(context.world.stdin) : await contentOf(list);
  return bytes
    .toString()
    .split(zeros ? '\0' : /\r?\n/)
    .filter((path) => path !== '');
}

async function contentOf(list: string): Promise<Buffer> {
  try {
    return await readFile(list);
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    return usage(`The list ${list} cannot be read: ${said}.`);
  }
}

async function all(input: AsyncIterable<unknown>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of input) pieces.push(Buffer.isBuffer(piece) ? piece : Buffer.from(String(piece)));
  return Buffer.concat(pieces);
}
