import type { Readable } from 'node:stream';

/** What a person pressed: `quit` is q; `interrupt` is Ctrl-C, where a terminal hands it on; `end` that nothing more is typed. */
export type Key = 'enter' | 'quit' | 'interrupt' | 'end' | 'other';

interface Typing extends Readable {
  readonly isRaw?: boolean;
  setRawMode?(raw: boolean): unknown;
}

const keys: Readonly<Record<string, Key>> = {
  '\r': 'enter',
  '\n': 'enter',
  q: 'quit',
  Q: 'quit',
  '\u0003': 'interrupt',
};

/**
 * Tells of each key as it is pressed, without showing it: what is drawn on the terminal stays as it is. Gives
 * the function that ends it and leaves the terminal as it was.
 */
export function readKeys(input: Typing, pressed: (key: Key) => void): () => void {
  const wasRaw = input.isRaw === true;
  const take = (chunk: Buffer | string): void => {
    for (const character of chunk.toString()) pressed(keys[character] ?? 'other');
  };
  const ended = (): void => pressed('end');
  input.setRawMode?.(true);
  input.on('data', take).once('end', ended).on('error', ended);
  input.resume();
  return () => {
    input.off('data', take).off('end', ended).off('error', ended);
    input.pause();
    input.setRawMode?.(wasRaw);
  };
}
