import test from 'ava';
import fc from 'fast-check';
import {
  decodeBlockLimits,
  decodeInquiry,
  decodeLongPosition,
  decodePosition,
  decodeSerial,
  inquireSerial,
  inquiry,
  readBlockLimits,
  readLongPosition,
  readPosition,
} from '../../../src/tape/scsi.ts';
import { anyAnswer, good, refused } from './answers.ts';

test('the lengths of blocks a drive takes', (t) => {
  t.deepEqual([...readBlockLimits.command], [5, 0, 0, 0, 0, 0]);
  t.deepEqual(decodeBlockLimits(good('00 800000 0001')), { shortest: 1, longest: 8 * 2 ** 20 });
  t.deepEqual(decodeBlockLimits(good('00 000000 0004')), { shortest: 4, longest: null });
  t.is(decodeBlockLimits(refused), null);
  t.is(decodeBlockLimits(good('00 8000')), null);
});

test('where the tape stands', (t) => {
  t.deepEqual(decodePosition(good('80 00 0000 00000000 00000000 00000000 00000000')), {
    beginning: true,
    nearEnd: false,
    partition: 0,
    block: 0,
    file: null,
  });
  t.like(decodePosition(good('40 01 0000 00012345 00012345 00000000 00000000')), {
    nearEnd: true,
    partition: 1,
    block: 0x12345,
  });
  // The drive does not know, or the number does not fit.
  t.is(decodePosition(good('04 00 0000 00000007 00000007 00000000 00000000'))!.block, null);
  t.is(decodePosition(good('02 00 0000 ffffffff ffffffff 00000000 00000000'))!.block, null);
  t.deepEqual(
    decodeLongPosition(good('00 000000 00000001 0000000100000002 0000000000000003 0000000000000000')),
    { beginning: false, nearEnd: false, partition: 1, block: 2 ** 32 + 2, file: 3 },
  );
  t.like(decodeLongPosition(good('0c 000000 00000000 0000000000000002 0000000000000003 0000000000000000')), {
    block: null,
    file: null,
  });
  t.like(decodeLongPosition(good(`00 000000 00000000 ${'ff'.repeat(16)}`)), { block: null, file: null });
  t.is(decodePosition(refused), null);
  t.is(decodeLongPosition(good('00')), null);
});

const name = (text: string, length: number): string => Buffer.from(text.padEnd(length)).toString('hex');

test('what a drive is called', (t) => {
  const standard = `0180050291000000${name('ACME', 8)}${name('FastTape 9000', 16)}${name('A1', 4)}`;
  t.deepEqual(decodeInquiry(good(standard)), {
    type: 1,
    vendor: 'ACME',
    model: 'FastTape 9000',
    revision: 'A1',
  });
  t.deepEqual(decodeInquiry(good('0880050200')), { type: 8, vendor: null, model: null, revision: null });
  t.is(decodeSerial(good(`0180000a${name('  00D1', 10)}`)), '00D1');
  t.is(decodeSerial(good('01800000')), null);
  t.is(decodeSerial(good('01830000')), null);
  t.is(decodeInquiry(refused), null);
});

test('answers of any length and content are no crash', (t) => {
  const decoders = [
    decodeBlockLimits,
    decodePosition,
    decodeLongPosition,
    decodeInquiry,
    decodeSerial,
  ] as const;
  fc.assert(
    fc.property(anyAnswer('018000ff', '80000000'), (answer) => {
      for (const decode of decoders) {
        const decoded = decode(answer);
        t.true(decoded === null || answer.data.length >= 4);
      }
    }),
  );
});

test('what is asked for is what there is room for', (t) => {
  t.is(inquiry.command[4], inquiry.receive);
  t.is(inquireSerial.command[4], inquireSerial.receive);
  t.deepEqual([...readPosition.command.subarray(0, 2)], [0x34, 0]);
  t.deepEqual([...readLongPosition.command.subarray(0, 2)], [0x34, 6]);
});
