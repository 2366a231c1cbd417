import test from 'ava';
import fc from 'fast-check';
import { decodeTapeAlerts, readTapeAlerts, tapeAlert, type AlertSeverity } from '../../src/tape/scsi.ts';
import { anyAnswer, good, refused } from './scsi/answers.ts';

/** A TapeAlert page as drives give it: all 64 flags, those of `set` raised. */
function page(...set: number[]): Buffer {
  const flags = Array.from({ length: 64 }, (_, i) => [0, i + 1, 0xc0, 1, set.includes(i + 1) ? 1 : 0]);
  return Buffer.from([0x2e, 0, 320 >> 8, 320 & 0xff, ...flags.flat()]);
}

test('the flags that are raised, in words', (t) => {
  t.deepEqual(decodeTapeAlerts(good(page())), []);
  t.deepEqual(decodeTapeAlerts(good(page(21, 20))), [
    { flag: 20, severity: 'critical', words: 'The drive must be cleaned now.' },
    { flag: 21, severity: 'warning', words: 'The drive is due for cleaning.' },
  ]);
});

test('every flag has a severity and words, whole sentences', (t) => {
  const words = new Set<string>();
  for (let flag = 1; flag <= 64; flag++) {
    const alert = tapeAlert(flag);
    t.is(alert.flag, flag);
    t.regex(alert.words, /^[A-Z].*\.$/);
    words.add(alert.words);
  }
  t.is(words.size, 64);
  // Landmarks of the standard's table, so that no line of ours went missing.
  const severities: Readonly<Record<number, AlertSeverity>> = {
    4: 'critical',
    10: 'info',
    19: 'info',
    34: 'warning',
    38: 'critical',
    50: 'warning',
  };
  for (const [flag, severity] of Object.entries(severities)) t.is(tapeAlert(Number(flag)).severity, severity);
  t.regex(tapeAlert(11).words, /cleaning cartridge/);
  t.regex(tapeAlert(33).words, /Eject the cartridge/);
  t.regex(tapeAlert(43).words, /door/);
  t.regex(tapeAlert(59).words, /only once/);
  t.regex(tapeAlert(61).words, /flag 61/);
});

test('a drive without the page has no alerts', (t) => {
  t.deepEqual(decodeTapeAlerts(refused), []);
  t.deepEqual(decodeTapeAlerts(good('0c000000')), []);
});

test('a page that is cut off keeps its whole flags', (t) => {
  const whole = page(1, 30, 64);
  for (let length = 0; length < whole.length; length++) {
    const flags = decodeTapeAlerts(good(whole.subarray(0, length))).map((alert) => alert.flag);
    const complete = Math.floor((length - 4) / 5);
    t.deepEqual(
      flags,
      [1, 30, 64].filter((flag) => flag <= complete),
    );
  }
});

test('answers of any content are no crash', (t) => {
  fc.assert(
    fc.property(anyAnswer('2e000040', '2e0000ff0001c001ff'), (answer) => {
      for (const { flag } of decodeTapeAlerts(answer)) t.true(flag >= 1 && flag <= 64);
    }),
  );
});

test('what is asked for is what there is room for', (t) => {
  t.is(Buffer.from(readTapeAlerts.command).readUInt16BE(7), readTapeAlerts.receive!);
});
