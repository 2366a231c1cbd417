import { createCipheriv } from 'node:crypto';

/** A file of the server whose bytes a codec leaves as they are, so that a set can be damaged just there. */
export const incompressiblePath = '/srv/incompressible';

const bytes = 24 * 2 ** 20;

/** What that file holds, the same every time: a key stream, AES-128 in counter mode. */
export function incompressible(): Buffer {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16)).update(Buffer.alloc(bytes));
}
