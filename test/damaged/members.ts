import { decodeUstar, padded, tarBlock } from '../../src/bytes/index.ts';

/** One record of a part, and where its regions lie. */
export interface Member {
  /** Kind as the tar name says it: `head`, `data.zst`. */
  readonly kind: string;
  readonly start: number;
  readonly end: number;
  readonly regions: Readonly<
    Record<'extended' | 'header' | 'name' | 'payload', { start: number; end: number }>
  >;
}

/** The records of a part, read from its tar headers alone. */
export function membersOf(part: Buffer): Member[] {
  const out: Member[] = [];
  for (let at = 0; at < part.length - 2 * tarBlock;) {
    const extended = decodeUstar(part, at)!;
    const second = at + tarBlock + padded(extended.size);
    const file = decodeUstar(part, second)!;
    const payload = second + tarBlock;
    out.push({
      kind: file.name.replace(/^.*\/[^.]+\./, '').replace(/\.(json|raw)$/, ''),
      start: at,
      end: payload + padded(file.size),
      regions: {
        extended: { start: at, end: at + tarBlock },
        header: { start: at + tarBlock, end: second },
        name: { start: second, end: payload },
        payload: { start: payload, end: payload + padded(file.size) },
      },
    });
    at = payload + padded(file.size);
  }
  return out;
}

/** A copy of `part` with one bit of one byte turned. */
export function flipped(part: Buffer, at: number, bit = 3): Buffer {
  const out = Buffer.from(part);
  out[at]! ^= 1 << bit;
  return out;
}
