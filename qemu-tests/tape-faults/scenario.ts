import { appliance, withAppliance, type Scenario } from '../steps/index.ts';
import { startTapeTarget, type TapeTarget } from '../tape-target/target.ts';
import {
  earlyWarning,
  resetWhileReading,
  resetWhileWriting,
  swapWhileReading,
  swapWhileWriting,
  unreadableBlock,
} from './cases.ts';
import { makeScene, type Scene, type Stage } from './scene.ts';

const cases = {
  'a reset while writing': resetWhileWriting,
  'an end of the tape without room': earlyWarning,
  'a block that cannot be read': unreadableBlock,
  'a reset while reading': resetWhileReading,
  'another cartridge while reading': swapWhileReading,
  'another cartridge while writing': swapWhileWriting,
};

async function withTargets(
  { lone, changer }: Scene,
  work: (loneTarget: TapeTarget, changerTarget: TapeTarget) => Promise<void>,
): Promise<void> {
  const loneTarget = await startTapeTarget({ library: lone });
  try {
    const changerTarget = await startTapeTarget({ library: changer });
    try {
      await work(loneTarget, changerTarget);
    } finally {
      await changerTarget.close();
    }
  } finally {
    await loneTarget.close();
  }
}

export const scenario: Scenario = {
  proves:
    'a tape that ends without room, a block that cannot be read, resets and cartridges exchanged under way spoil no set, no other cartridge and no restored disk',
  seconds: 1200,
  async run(rig) {
    const scene = await makeScene(rig);
    const iso = await appliance(rig, { version: 1, action: 'shell', onFailure: 'poweroff' });
    await withTargets(scene, async (loneTarget, changerTarget) => {
      const tape = [
        { url: loneTarget.url(0) },
        { url: changerTarget.url(0) },
        { url: changerTarget.url(changerTarget.changerUnit!) },
      ];
      await withAppliance(
        rig,
        { name: 'faults', iso, from: 'cd', firmware: 'bios', drives: scene.drives, tape, seconds: 900 },
        async (machine) => {
          await machine.console.expect(/remetal# /, 120);
          const stage: Stage = { ...scene, rig, machine, loneTarget, changerTarget };
          for (const [name, work] of Object.entries(cases)) {
            await work(stage).catch((error: unknown) => {
              throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`);
            });
            rig.tell(`${name}: done after ${machine.console.seconds.toFixed(0)} s`);
          }
          await machine.cutPower();
        },
      );
    });
  },
};
