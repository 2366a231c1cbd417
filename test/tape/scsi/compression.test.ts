import test from 'ava';
import fc from 'fast-check';
import {
  decodeCompression,
  readCompression,
  readConfiguration,
  switchCompression,
} from '../../../src/tape/scsi.ts';
import { anyAnswer, good, refused } from './answers.ts';

/* Head of 4 bytes, then the page; byte 2 of the head: write-protected and buffered. */
const compressing = '13 5e 90 00 8f0e c0 80 00000010 00000010 00000000';
const incapable = '13 5e 90 00 8f0e 00 00 00000000 00000000 00000000';
const configuration = '13 5e 10 00 900e 00 00 0000 0000 40 00 18 000000 01 00';
const withDescriptor = '1b 5e 10 08 5e00000000000000 0f0e 40 80 00000010 00000010 00000000';

test('whether a drive compresses', (t) => {
  t.true(decodeCompression(good(compressing)));
  t.false(decodeCompression(good(withDescriptor)));
  t.true(decodeCompression(good(configuration)));
  t.is(decodeCompression(good('13 00 10 00 1a0e 00 00 00000000 00000000 00000000')), null);
  t.is(decodeCompression(refused), null);
});

test('switching compression leaves everything else as it is', (t) => {
  const off = switchCompression(good(compressing), false)!;
  t.deepEqual([...off.command], [0x15, 0x10, 0, 0, 20, 0]);
  t.is(Buffer.from(off.send!).toString('hex'), '000010000f0e4080000000100000001000000000');
  const on = switchCompression(good(withDescriptor), true)!;
  t.is(Buffer.from(on.send!).toString('hex'), '000010000f0ec080000000100000001000000000');
  const older = switchCompression(good(configuration), false)!;
  t.is(Buffer.from(older.send!).toString('hex'), '00001000100e0000000000004000180000000000');
  t.is(switchCompression(good(incapable), false), null);
  t.is(switchCompression(refused, false), null);
});

test('what is sent is read back as what was wanted', (t) => {
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.constantFrom(0x0f, 0x10),
      fc.uint8Array({ minLength: 14, maxLength: 14 }),
      (on, code, body) => {
        const answer = good(Buffer.from([19, 0, 0x10, 0, code, 14, ...body]));
        const request = switchCompression(answer, on);
        if (request === null) return;
        t.is(decodeCompression(good(request.send!)), on);
      },
    ),
  );
});

test('answers of any length and content are no crash', (t) => {
  fc.assert(
    fc.property(anyAnswer('135e10000f0e', '1b5e10085e000000000000000f0e', '10000000'), (answer) => {
      t.true([true, false, null].includes(decodeCompression(answer)));
      const request = switchCompression(answer, false);
      t.true(request === null || request.send!.length === request.command[4]);
    }),
  );
});

test('what is asked for is what there is room for', (t) => {
  t.is(readCompression.command[4], readCompression.receive);
  t.is(readConfiguration.command[2], 0x10);
});
