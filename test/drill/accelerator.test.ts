import { starts, usableAccelerator } from '../../src/drill/index.ts';
import { requires } from '../helpers/requires.ts';

requires('qemu-system-x86_64')('a machine that is emulated comes as far as its boot sector', async (t) => {
  t.true(await starts('tcg'));
});

requires('qemu-system-x86_64')('machines start by what is chosen here', async (t) => {
  const { accelerator, because } = await usableAccelerator();
  t.true(await starts(accelerator));
  if (accelerator === 'kvm') t.is(because, null);
});

requires('qemu-system-x86_64')('a trial is broken off', async (t) => {
  const breaking = new AbortController();
  const trial = starts('tcg', breaking.signal);
  breaking.abort(new Error('enough'));
  await t.throwsAsync(trial, { message: 'enough' });
});
