import test from 'ava';
import { deviceNumber, mountOf, mounts, parseMountinfo, parseSwaps } from '../../src/system/index.ts';

test('mountinfo is read with its optional fields and its escapes', (t) => {
  const text = [
    '36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue',
    '40 35 0:52 / /data rw - btrfs /dev/sdb1 rw,subvol=/',
    'a line that is none',
    '',
  ].join('\n');
  t.deepEqual(parseMountinfo(text), [
    {
      device: '98:0',
      root: '/mnt1',
      mountPoint: '/mnt 2',
      options: ['rw', 'noatime'],
      type: 'ext3',
      source: '/dev/root',
    },
    { device: '0:52', root: '/', mountPoint: '/data', options: ['rw'], type: 'btrfs', source: '/dev/sdb1' },
  ]);
});

test('swaps are read without their heading', (t) => {
  const text =
    'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/sda3                               partition\t975868\t\t0\t\t-2\n/swap\\040file file 100 0 -3\n';
  t.deepEqual(parseSwaps(text), [
    { path: '/dev/sda3', type: 'partition' },
    { path: '/swap file', type: 'file' },
  ]);
});

test('device numbers are taken apart as the kernel does', (t) => {
  t.is(deviceNumber(0x801), '8:1');
  t.is(deviceNumber(0xfe00), '254:0');
  t.is(deviceNumber(0x10_03a7), '3:423');
  t.is(deviceNumber(2 ** 44 + 0x105), '4097:5');
});

test('every path lies on a mount of this machine', async (t) => {
  t.true((await mounts()).length > 0);
  t.is((await mountOf('/proc/self/stat'))?.type, 'proc');
  t.not(await mountOf('/'), null);
});
