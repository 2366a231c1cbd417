import { formatDuration } from '../bytes/index.ts';
import { cartridgeNeeded, describeWanted, type CartridgeRequest, type TapeOperator } from '../tape/index.ts';
import type { AgentWorld } from './world.ts';

export interface AgentOperatorOptions {
  /** With nobody who can give up: how long a cartridge is waited for; without end when absent. */
  readonly unattendedSeconds?: number;
}

/** Seconds after which the consoles are told again. */
const againSeconds = 60;

/**
 * The person beside the machine: asked on every console, and noticed by what they do to the drive. With
 * `unattendedSeconds` the cartridge is waited for no longer.
 */
export function tapeOperator(world: AgentWorld, options: AgentOperatorOptions = {}): TapeOperator {
  const { console, machine, signal, lookEvery } = world;
  const { unattendedSeconds = null } = options;
  return {
    async change(request, loaded) {
      const { wanted, drive, label, barcode } = request;
      const began = machine.clock();
      let toldAt = Number.NEGATIVE_INFINITY;
      const standing = console.stand({ id: 'cartridge', message: askingText(request) });
      let said: 'go-on' | 'give-up' | null = null;
      const answered = standing.answer.then((answer) => (said = answer));
      try {
        for (;;) {
          const waited = (machine.clock() - began) / 1000;
          if (waited - toldAt >= againSeconds) {
            toldAt = waited;
            console.event('cartridge-needed', { wanted, drive, label, barcode });
            standing.ring();
          }
          if (await loaded()) return;
          if (said === 'go-on') return;
          if (said === 'give-up') throw cartridgeNeeded(request, 'nobody has it');
          if (unattendedSeconds !== null && waited >= unattendedSeconds) {
            throw cartridgeNeeded(
              request,
              `nobody brought it within ${formatDuration(Math.round(unattendedSeconds))}`,
            );
          }
          await Promise.race([machine.wait(lookEvery, signal), answered]);
          signal.throwIfAborted();
        }
      } finally {
        standing.close();
      }
    },
  };
}

/** What a person reads who is asked for a cartridge, in lines. */
export function askingText(request: CartridgeRequest): string {
  const { drive, refused } = request;
  return [
    ...(refused === null ? [] : [refused.message]),
    `${describeWanted(request)} in ${drive}.`,
    'Putting it in is noticed; Enter says it is there, q that there is none.',
  ].join('\n');
}
