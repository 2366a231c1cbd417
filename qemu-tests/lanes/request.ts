import { parseArgs } from 'node:util';
import type { Timed } from './plan.ts';

/** What the command line asks for. */
export interface Request {
  readonly list: boolean;
  /** Scenarios named; all when there is none. */
  readonly named: readonly string[];
  readonly except: readonly string[];
  /** How many run side by side. */
  readonly lanes: number;
  /** Seconds for all of them; null: no end. */
  readonly within: number | null;
  /** What scenarios took on this machine before. */
  readonly seen: readonly Timed[];
}

export const usage = `qemu-tests/run [option …] [scenario …]
  --lanes N            run N scenarios side by side (1)
  --within SECONDS     start none that would not end within this time
  --except NAME        leave one out; may be given again
  --seen NAME=SECONDS  one took so long here before: how fast this machine is; may be given again
  --list               say what each scenario proves`;

function numberOf(option: string, text: string, least: number): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < least) {
    throw new Error(`${option} wants a whole number from ${least}, not "${text}".`);
  }
  return number;
}

function timed(text: string): Timed {
  const [, name = '', seconds = ''] = /^([^=]+)=(.*)$/.exec(text) ?? [];
  return { name, seconds: numberOf('--seen NAME=SECONDS', seconds, 1) };
}

/** Reads the command line; throws an `Error` that says what is wrong with it. */
export function parseRequest(words: readonly string[]): Request {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: {
      list: { type: 'boolean', default: false },
      except: { type: 'string', multiple: true, default: [] },
      lanes: { type: 'string', default: '1' },
      within: { type: 'string' },
      seen: { type: 'string', multiple: true, default: [] },
    },
  });
  return {
    list: values.list,
    named: positionals,
    except: values.except,
    lanes: numberOf('--lanes', values.lanes, 1),
    within: values.within === undefined ? null : numberOf('--within', values.within, 0),
    seen: values.seen.map(timed),
  };
}
