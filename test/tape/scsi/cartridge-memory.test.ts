import test from 'ava';
import fc from 'fast-check';
import { decodeCartridgeMemory, readAttributes } from '../../../src/tape/scsi.ts';
import { anyAnswer, good, refused } from './answers.ts';

function attribute(id: number, value: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt16BE(id, 0);
  head.writeUInt16BE(value.length, 3);
  return Buffer.concat([head, value]);
}

function number(value: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  bytes.writeUIntBE(value, Math.max(length - 6, 0), Math.min(length, 6));
  return bytes;
}

function memory(...attributes: Buffer[]): Buffer {
  const body = Buffer.concat(attributes);
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length, 0);
  return Buffer.concat([head, body]);
}

const nothing = {
  remaining: null,
  capacity: null,
  loads: null,
  written: null,
  read: null,
  manufacturer: null,
  serial: null,
  density: null,
  kind: null,
  barcode: null,
};

const whole = memory(
  attribute(0x0000, number(11_000_000, 8)),
  attribute(0x0001, number(11_444_224, 8)),
  attribute(0x0003, number(17, 8)),
  attribute(0x0220, number(500, 8)),
  attribute(0x0221, number(400, 8)),
  attribute(0x0400, Buffer.from('ACME    ')),
  attribute(0x0401, Buffer.from('V123456789'.padEnd(32))),
  attribute(0x0405, number(0x5e, 1)),
  attribute(0x0408, number(0, 1)),
  attribute(0x0806, Buffer.from('ABC001L8'.padEnd(32))),
);

test('what a cartridge remembers', (t) => {
  t.deepEqual(decodeCartridgeMemory(good(whole)), {
    remaining: 11_000_000 * 2 ** 20,
    capacity: 11_444_224 * 2 ** 20,
    loads: 17,
    written: 500 * 2 ** 20,
    read: 400 * 2 ** 20,
    manufacturer: 'ACME',
    serial: 'V123456789',
    density: 0x5e,
    kind: 'data',
    barcode: 'ABC001L8',
  });
  t.like(decodeCartridgeMemory(good(memory(attribute(0x0408, number(0x80, 1))))), { kind: 'write-once' });
  t.like(decodeCartridgeMemory(good(memory(attribute(0x0408, number(1, 1))))), { kind: 'cleaning' });
  t.like(decodeCartridgeMemory(good(memory(attribute(0x0408, number(0x33, 1))))), { kind: null });
});

test('what it does not remember is null', (t) => {
  t.deepEqual(decodeCartridgeMemory(good(memory())), nothing);
  const blank = memory(attribute(0x0806, Buffer.alloc(32, ' ')), attribute(0x0003, Buffer.alloc(0)));
  t.deepEqual(decodeCartridgeMemory(good(blank)), nothing);
  t.like(decodeCartridgeMemory(good(memory(attribute(0, Buffer.alloc(8, 0xff))))), { remaining: null });
  t.is(decodeCartridgeMemory(refused), null);
});

test('an answer that is cut off keeps its whole attributes', (t) => {
  const uncut = decodeCartridgeMemory(good(whole))!;
  for (let length = 4; length < whole.length; length++) {
    const cut = decodeCartridgeMemory(good(whole.subarray(0, length)))!;
    for (const [name, value] of Object.entries(cut)) {
      t.true(value === null || value === Object.entries(uncut).find(([key]) => key === name)![1]);
    }
  }
  t.is(decodeCartridgeMemory(good(whole.subarray(0, 3))), null);
});

test('answers of any content are no crash', (t) => {
  fc.assert(
    fc.property(anyAnswer('000000ff00000000', '00000040080600000020'), (answer) => {
      const decoded = decodeCartridgeMemory(answer);
      t.true(decoded === null || decoded.loads === null || Number.isSafeInteger(decoded.loads));
    }),
  );
});

test('what is asked for is what there is room for', (t) => {
  t.is(Buffer.from(readAttributes.command).readUInt32BE(10), readAttributes.receive!);
});
