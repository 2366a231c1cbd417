import { setTimeout as delay } from 'node:timers/promises';
import { KeptFile, type KeptOwner, type Overlay } from '../disk/index.ts';
import { isCoded } from '../errors/index.ts';
import type { Context } from './context.ts';
import { shown } from './table.ts';

const againAfter = 5000;

/** What was written to a served volume, and the file it goes to in the end. */
export interface Keeping {
  readonly file: KeptFile;
  readonly over: Overlay;
}

/** Opens the file of `--keep` and goes on with what it holds. Throws `overlay-unusable`. */
export async function keeping(path: string, owner: KeptOwner, over: Overlay): Promise<Keeping> {
  const file = await KeptFile.open(path, owner);
  await file.load(over);
  return { file, over };
}

/**
 * Keeps what was written once nobody writes any more, and tells where. Where that cannot be done it is tried again
 * until it can, or a second signal ends the process: it is nowhere else.
 */
export async function keep(context: Context, { file, over }: Keeping): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    try {
      const path = await file.save(over);
      context.output.remark(`What was written is in ${shown(path)}.`);
      return path;
    } catch (error) {
      if (!isCoded(error, 'overlay-unusable')) throw error;
      const message = `${error.message} It is tried again every ${againAfter / 1000} s; Ctrl-C throws away what was written.`;
      if (attempt === 1) context.tell({ level: 'warning', code: error.code, message });
    }
    await delay(againAfter);
  }
}
