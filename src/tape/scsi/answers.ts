import type { ScsiAnswer } from '../../system/index.ts';

/** What came back from a command that went well and has at least `length` bytes of it; else null. */
export function dataOf(answer: ScsiAnswer, length: number): Buffer | null {
  return answer.status === 0 && answer.data.length >= length ? answer.data : null;
}

/** Text of a field that is filled up with blanks or zeros; null where that is all. */
export function textOf(bytes: Buffer): string | null {
  const text = bytes.toString('latin1').replaceAll('\0', ' ').trim();
  return text === '' ? null : text;
}
