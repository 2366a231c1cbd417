import { setTimeout as sleep } from 'node:timers/promises';
import { askingText } from '../../agent/index.ts';
import { RemetalError } from '../../errors/index.ts';
import {
  cartridgeNeeded,
  describeWanted,
  type CartridgeRequest,
  type TapeOperator,
} from '../../tape/index.ts';
import type { Context } from '../context.ts';
import { readKeys, type Key } from '../keys.ts';
import { shown } from '../table.ts';

export interface OperatorOptions {
  /** Where nobody can be asked: how long the cartridge is waited for. 0 when absent. */
  readonly waitSeconds?: number;
  /** Milliseconds between two looks at the drive. */
  readonly lookEvery?: number;
}

const bell = '\u0007';
const againSeconds = 60;

/**
 * The person at the terminal of this command: rung for and told what is wanted, until they press Enter or the
 * drive is seen to have a cartridge. Without a terminal the cartridge is waited for as long as was allowed.
 */
export function tapeOperator(context: Context, options: OperatorOptions = {}): TapeOperator {
  const { waitSeconds = 0, lookEvery = 2000 } = options;
  return {
    change: (request, loaded) =>
      context.canAsk
        ? ask(context, request, loaded, lookEvery)
        : waitFor(context, request, loaded, { waitSeconds, lookEvery }),
  };
}

async function ask(
  context: Context,
  request: CartridgeRequest,
  loaded: () => Promise<boolean>,
  lookEvery: number,
): Promise<void> {
  const { world, signal } = context;
  let key: Key | null = null;
  const pressed = new AbortController();
  const stop = readKeys(world.stdin, (one) => {
    if (one === 'other' || key !== null) return;
    key = one;
    pressed.abort();
  });
  const woken = AbortSignal.any([signal, pressed.signal]);
  // Names on a cartridge come from elsewhere.
  context.ask(askingText(request).split('\n').map(shown).join('\n'));
  world.stderr.write(bell);
  try {
    for (;;) {
      signal.throwIfAborted();
      if (key === 'enter') return;
      if (key === 'quit' || key === 'end') throw cartridgeNeeded(request, 'nobody has it');
      if (key === 'interrupt')
        throw new RemetalError('interrupted', 'Interrupted at a change of cartridges.');
      if (await loaded()) return;
      await pause(lookEvery, woken);
    }
  } finally {
    stop();
    context.ask(null);
  }
}

async function waitFor(
  context: Context,
  request: CartridgeRequest,
  loaded: () => Promise<boolean>,
  { waitSeconds, lookEvery }: Required<OperatorOptions>,
): Promise<void> {
  const began = performance.now();
  let toldAt = Number.NEGATIVE_INFINITY;
  if (waitSeconds <= 0) throw cartridgeNeeded(request);
  for (;;) {
    const waited = (performance.now() - began) / 1000;
    if (waited - toldAt >= againSeconds) {
      toldAt = waited;
      const { drive, wanted, label, barcode, refused } = request;
      const why = refused === null ? '' : ` ${refused.message}`;
      context.tell({
        level: 'warning',
        code: 'cartridge-needed',
        message: shown(`${describeWanted(request)} in ${drive}.${why}`),
        facts: { drive, wanted, label, barcode, refused: refused?.code ?? null },
      });
    }
    if (await loaded()) return;
    if (waited >= waitSeconds) throw cartridgeNeeded(request, 'nobody brought it in time');
    await pause(Math.min(lookEvery, waitSeconds * 1000), context.signal);
    context.signal.throwIfAborted();
  }
}

/* Who waited finds out why it was woken. */
async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => {});
}
