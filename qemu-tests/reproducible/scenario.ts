import { join } from 'node:path';
import { hashOf } from '../harness/index.ts';
import { must, remetalOk, type Scenario } from '../steps/index.ts';

export const scenario: Scenario = {
  proves: 'the appliance built twice, the second time with an empty cache, is the same image byte for byte',
  seconds: 1200,
  async run(rig) {
    const quick = ['--compression', 'quick', '--no-netboot'];
    const first = join(rig.scratch, 'first.iso');
    const second = join(rig.scratch, 'second.iso');
    await remetalOk(rig, ['build', '--output', first, ...quick]);
    rig.tell('built once');
    await remetalOk(rig, ['build', '--output', second, ...quick, '--cache', join(rig.scratch, 'cache')]);
    rig.tell('built twice');
    const [before, after] = [await hashOf(first), await hashOf(second)];
    must(before === after, `The images differ: ${before} and ${after}.`);
  },
};
