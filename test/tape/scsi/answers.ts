import fc from 'fast-check';
import type { ScsiAnswer } from '../../../src/system/index.ts';

/** The answer of a command that went well. */
export function good(data: Uint8Array | string): ScsiAnswer {
  return {
    status: 0,
    sense: Buffer.alloc(0),
    data: typeof data === 'string' ? Buffer.from(data.replaceAll(/\s/g, ''), 'hex') : Buffer.from(data),
  };
}

/** The answer of a drive that refused a command. */
export const refused: ScsiAnswer = {
  status: 2,
  sense: Buffer.from('70000500000000 0a 00000000 20000000 0000'.replaceAll(' ', ''), 'hex'),
  data: Buffer.alloc(64, 0xff),
};

/** Answers of any length and content, and those that begin like real ones. */
export function anyAnswer(...beginnings: readonly string[]): fc.Arbitrary<ScsiAnswer> {
  return fc
    .tuple(
      fc.constantFrom('', ...beginnings.map((text) => text.replaceAll(/\s/g, ''))),
      fc.uint8Array({ maxLength: 80 }),
      fc.nat({ max: 100 }),
    )
    .map(([beginning, rest, length]) =>
      good(Buffer.concat([Buffer.from(beginning, 'hex'), rest]).subarray(0, length)),
    );
}
