import test from 'ava';
import { isMountable, parseBlkid } from '../../src/system/index.ts';

test('the lines of blkid are read, with what it puts a backslash before', (t) => {
  const facts = parseBlkid('DEVNAME=/dev/sdb1\nLABEL=MY\\ USB\\=1\nUUID=AB-12\nTYPE=vfat\n\n');
  t.deepEqual(Object.fromEntries(facts), {
    DEVNAME: '/dev/sdb1',
    LABEL: 'MY USB=1',
    UUID: 'AB-12',
    TYPE: 'vfat',
  });
  t.is(parseBlkid('').size, 0);
});

test('what is no medium is not mounted', (t) => {
  t.true(isMountable('vfat'));
  t.false(isMountable('LVM2_member'));
  t.false(isMountable('swap'));
});
