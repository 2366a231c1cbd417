import test from 'ava';
import fc from 'fast-check';
import {
  decodeSense,
  requestSense,
  testUnitReady,
  whyUnready,
  type Unready,
} from '../../../src/tape/scsi.ts';

function fixed(key: number, asc: number, ascq: number, flags = 0, information: number | null = null): Buffer {
  const bytes = Buffer.alloc(18);
  bytes[0] = information === null ? 0x70 : 0xf0;
  bytes[2] = key | flags;
  bytes.writeInt32BE(information ?? 0, 3);
  bytes[7] = 10;
  bytes[12] = asc;
  bytes[13] = ascq;
  return bytes;
}

test('sense data of the fixed format', (t) => {
  t.deepEqual(decodeSense(fixed(0x0, 0x00, 0x01, 0x80, 4)), {
    key: 0,
    asc: 0,
    ascq: 1,
    deferred: false,
    filemark: true,
    endOfMedium: false,
    wrongLength: false,
    residue: 4,
    words: 'nothing to report: a filemark was met (00/01)',
  });
  t.like(decodeSense(fixed(0x0, 0, 0, 0x20, -4096)), { wrongLength: true, residue: -4096 });
  t.like(decodeSense(fixed(0xd, 0x00, 0x02, 0x40)), {
    endOfMedium: true,
    residue: null,
    words: 'the tape is full: the end of the tape was met (00/02)',
  });
  const late = fixed(0x3, 0x0c, 0x00);
  late[0] = 0x71;
  t.like(decodeSense(late), {
    deferred: true,
    words: 'the tape cannot be read or written there: writing failed (0c/00)',
  });
});

test('sense data of the descriptor format', (t) => {
  // Head, information, stream commands.
  const whole = Buffer.from('7208000500000010 000a8000fffffffffffffffe 04020080'.replaceAll(' ', ''), 'hex');
  t.like(decodeSense(whole), {
    key: 8,
    asc: 0,
    ascq: 5,
    filemark: true,
    endOfMedium: false,
    residue: -2,
    words: 'there is no data on the tape there: the end of the data was met (00/05)',
  });
  t.like(decodeSense(whole.subarray(0, 8)), { key: 8, residue: null, filemark: false });
  whole[0] = 0x73;
  t.true(decodeSense(whole)!.deferred);
});

test('codes without words of their own are told by number', (t) => {
  t.is(decodeSense(fixed(0x2, 0x04, 0x99))!.words, 'the drive is not ready (04/99)');
  t.is(decodeSense(fixed(0x4, 0x44, 0x99))!.words, 'the drive is faulty: an internal failure (44/99)');
  t.is(decodeSense(fixed(0x9, 0x80, 0x00))!.words, 'an error of the manufacturer’s own kind (80/00)');
  t.is(
    decodeSense(fixed(0x5, 0x20, 0x00))!.words,
    'the drive does not know the command: an unknown command (20/00)',
  );
  t.is(decodeSense(fixed(0x0, 0x00, 0x00))!.words, 'nothing to report');
});

const why = (key: number, asc: number, ascq: number): Unready =>
  whyUnready(decodeSense(fixed(key, asc, ascq))!);

test('why a drive is not ready', (t) => {
  t.is(why(2, 0x04, 0x01), 'loading');
  t.is(why(2, 0x04, 0x00), 'loading');
  t.is(why(2, 0x04, 0x07), 'loading');
  t.is(why(2, 0x04, 0x02), 'unloaded');
  t.is(why(2, 0x04, 0x03), 'other');
  t.is(why(2, 0x3a, 0x00), 'empty');
  t.is(why(2, 0x3a, 0x02), 'empty');
  t.is(why(2, 0x3a, 0x04), 'unloaded');
  t.is(why(2, 0x30, 0x03), 'cleaning');
  t.is(why(2, 0x30, 0x07), 'cleaning');
  t.is(why(2, 0x30, 0x02), 'foreign');
  t.is(why(6, 0x28, 0x00), 'news');
  t.is(why(6, 0x29, 0x02), 'news');
  t.is(why(4, 0x44, 0x00), 'other');
});

test('sense data of any length and content is no crash', (t) => {
  fc.assert(
    fc.property(
      fc.constantFrom(0x70, 0x71, 0x72, 0x73, 0xf0, 0),
      fc.uint8Array({ maxLength: 40 }),
      (format, rest) => {
        for (const bytes of [Buffer.from(rest), Buffer.from([format, ...rest])]) {
          const sense = decodeSense(bytes);
          if (sense === null) continue;
          t.true(sense.words.length > 0);
          t.true(sense.residue === null || Number.isSafeInteger(sense.residue));
          t.is(typeof whyUnready(sense), 'string');
        }
      },
    ),
  );
  t.is(decodeSense(Buffer.alloc(0)), null);
});

test('the commands that ask for it', (t) => {
  t.deepEqual([...testUnitReady.command], [0, 0, 0, 0, 0, 0]);
  t.is(testUnitReady.receive, undefined);
  t.is(requestSense.command[4], requestSense.receive);
});
