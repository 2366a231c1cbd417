import test from 'ava';
import { compare } from '../../qemu-tests/tape-oracle/comparison.ts';
import { byDebugTape, byLinux61 } from '../../qemu-tests/tape-oracle/differences.ts';
import { loadOrder } from '../../qemu-tests/tape-guest/load-order.ts';
import { faultStepLines, stepLines } from '../contract/tape-lines.ts';
import { stepsBeforeEnd } from '../contract/tape-steps.ts';

test('compare: a line may differ only as its step is allowed to', (t) => {
  const allowed = [{ because: 'a reason', lines: { 2: 'other' } }];
  t.deepEqual(compare(['one', 'two'], ['one', 'other'], allowed), {
    unlike: [],
    allowances: 1,
    unneeded: [],
  });
  t.deepEqual(compare(['one', 'two'], ['other', 'two'], allowed), {
    unlike: ['step 1: other instead of one'],
    allowances: 0,
    unneeded: ['a reason'],
  });
  t.deepEqual(compare(['one', 'two'], ['one'], []).unlike, ['1 lines instead of 2']);
});

test('every allowed difference is of a step that is there, and differs', (t) => {
  const before = stepLines.slice(0, stepsBeforeEnd.length);
  for (const [expected, differences] of [
    [faultStepLines, byLinux61],
    [before, byDebugTape],
  ] as const) {
    for (const { lines } of differences) {
      for (const [step, line] of Object.entries(lines)) {
        const own = expected[Number(step) - 1];
        t.is(line.split(':')[0], own?.split(':')[0], `step ${step}`);
        t.not(line, own);
      }
    }
  }
});

test('loadOrder: what a module needs goes before it, once; what is built in is left out', (t) => {
  const dependencies = [
    'kernel/a/st.ko: kernel/a/scsi_mod.ko kernel/a/scsi_common.ko',
    'kernel/a/sg.ko.xz: kernel/a/scsi_mod.ko kernel/a/scsi_common.ko',
    'kernel/a/scsi_mod.ko: kernel/a/scsi_common.ko',
    'kernel/a/scsi_common.ko:',
  ].join('\n');
  t.deepEqual(loadOrder(dependencies, 'kernel/b/virtio-pci.ko\n', ['virtio_pci', 'sg', 'st']), [
    'kernel/a/scsi_common.ko',
    'kernel/a/scsi_mod.ko',
    'kernel/a/sg.ko.xz',
    'kernel/a/st.ko',
  ]);
  t.throws(() => loadOrder(dependencies, '', ['ch']), { message: /no module ch/ });
});
