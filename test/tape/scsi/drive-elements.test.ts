import test from 'ava';
import fc from 'fast-check';
import { decodeDriveElements, readDriveElements } from '../../../src/tape/scsi.ts';
import { anyAnswer, good, refused } from './answers.ts';

/** A descriptor of a drive: address, flags and source, volume tags, then the identifier. */
function descriptor(tags: number, identifier: string, codeSet = 2): Buffer {
  const bytes = Buffer.alloc(12 + tags + 4 + 34, ' ');
  bytes.fill(0, 0, 12 + tags + 4);
  bytes[12 + tags] = codeSet;
  bytes[12 + tags + 1] = 1;
  bytes[12 + tags + 3] = identifier.length;
  bytes.write(identifier, 12 + tags + 4);
  return bytes;
}

function report(type: number, flags: number, ...descriptors: Buffer[]): Buffer {
  const page = Buffer.alloc(8);
  page[0] = type;
  page[1] = flags;
  page.writeUInt16BE(descriptors[0]?.length ?? 0, 2);
  page.writeUIntBE(
    descriptors.reduce((sum, bytes) => sum + bytes.length, 0),
    5,
    3,
  );
  return Buffer.concat([page, ...descriptors]);
}

function answer(...pages: Buffer[]): Buffer {
  const head = Buffer.alloc(8);
  head.writeUIntBE(
    pages.reduce((sum, bytes) => sum + bytes.length, 0),
    5,
    3,
  );
  return Buffer.concat([head, ...pages]);
}

const first = 'IBM     ULT3580-TD8     00D1';
const second = '00D2';

test('the drives of a changer by what it knows them by', (t) => {
  const expected = [
    { number: 0, identifier: first },
    { number: 1, identifier: second },
  ];
  t.deepEqual(
    decodeDriveElements(good(answer(report(4, 0, descriptor(0, first), descriptor(0, second))))),
    expected,
  );
  t.deepEqual(
    decodeDriveElements(good(answer(report(4, 0x80, descriptor(36, first), descriptor(36, second))))),
    expected,
  );
  // Over two pages, as where some drives hold a cartridge with a barcode, with one of slots between.
  const pages = [
    report(4, 0xc0, descriptor(72, first)),
    report(2, 0, descriptor(0, 'X')),
    report(4, 0, descriptor(0, second)),
  ];
  t.deepEqual(decodeDriveElements(good(answer(...pages))), expected);
});

test('a changer that does not tell its drives apart', (t) => {
  t.deepEqual(decodeDriveElements(good(answer(report(4, 0, descriptor(0, ''), descriptor(0, first, 1))))), [
    { number: 0, identifier: null },
    { number: 1, identifier: null },
  ]);
  t.deepEqual(decodeDriveElements(good(answer(report(4, 0, Buffer.alloc(16))))), [
    { number: 0, identifier: null },
  ]);
  t.deepEqual(decodeDriveElements(good(answer())), []);
  t.is(decodeDriveElements(refused), null);
});

test('answers of any length and content are no crash', (t) => {
  fc.assert(
    fc.property(
      anyAnswer('0000000200000040 0400000c00000018', '0000000100ffffff 048000ff00ffffff'),
      (any) => {
        const drives = decodeDriveElements(any);
        t.true(drives === null || drives.every(({ number }, i) => number === i));
      },
    ),
  );
});

test('what is asked for is what there is room for', (t) => {
  t.is(Buffer.from(readDriveElements.command).readUIntBE(7, 3), readDriveElements.receive!);
  t.is(readDriveElements.command.length, 12);
});
