import { decodeUstar, padded, tarBlock } from './ustar.ts';

/** A tar member with an extended header, as every record is: docs/format.md, "Members". */
export interface PaxMember {
  readonly name: string;
  /** As much of it as is there. */
  readonly content: Buffer;
}

/** The member that bytes begin with; null where they begin with none. */
export function decodePaxMember(bytes: Buffer): PaxMember | null {
  const extended = decodeUstar(bytes, 0);
  if (extended?.type !== 'x') return null;
  const second = tarBlock + padded(extended.size);
  const file = decodeUstar(bytes, second);
  if (file?.type !== '0') return null;
  const from = second + tarBlock;
  return { name: file.name, content: bytes.subarray(from, from + file.size) };
}
