import { setTimeout as sleep } from 'node:timers/promises';
import { RemetalError } from '../errors/index.ts';
import { run } from '../system/index.ts';
import type { Changer, ChangerStatus } from './changer.ts';
import { parseMtxFailure, parseMtxStatus, type MtxFailure } from './mtx.ts';

export interface MtxOptions {
  /** How long a changer may take to become ready, seconds; a large one looks into every slot first. */
  readonly seconds?: number;
  readonly signal?: AbortSignal;
  /** For tests. */
  readonly wait?: (milliseconds: number, signal: AbortSignal | undefined) => Promise<void>;
}

const longestWait = 1800;
const pollSeconds = 5;
/** One unit attention for each thing that happened since the last command. */
const mostNews = 4;

/**
 * A library driven by mtx(1); `path` is its node of the generic driver, `/dev/sg3`, or a link to it. Moves
 * of one changer are made one after another by the caller. Errors besides those of `Changer`:
 * `program-missing`, `program-failed` when mtx itself breaks down, `interrupted`.
 */
export function mtxChanger(path: string, options: MtxOptions = {}): Changer {
  const { seconds = longestWait, signal } = options;
  const wait = options.wait ?? ((milliseconds, stop) => sleep(milliseconds, undefined, { signal: stop }));

  async function mtx(...command: readonly (string | number)[]): Promise<string> {
    let news = 0;
    for (let waited = 0; ;) {
      const result = await run('mtx', ['-f', path, ...command.map(String)], {
        ...(signal === undefined ? {} : { signal }),
        okStatuses: [0, 1],
      });
      if (result.exitCode === 0) return result.stdout;
      const failure = parseMtxFailure(result.stderr);
      if (failure.news && news < mostNews) {
        news++;
      } else if (failure.becomingReady && waited < seconds) {
        await wait(pollSeconds * 1000, signal);
        waited += pollSeconds;
      } else {
        throw failed(path, command.join(' '), failure);
      }
    }
  }

  return {
    name: path,
    async status(): Promise<ChangerStatus> {
      return parseMtxStatus(await mtx('status'));
    },
    async load(slot, drive) {
      await mtx('load', slot, drive);
    },
    async unload(slot, drive) {
      await mtx('unload', slot, drive);
    },
    async transfer(from, to) {
      await mtx('transfer', from, to);
    },
  };
}

function failed(changer: string, command: string, { said, missing }: MtxFailure): RemetalError {
  const facts = { changer, command, said };
  if (missing) {
    return new RemetalError('changer-not-found', `There is no changer ${changer}: ${said}`, {
      hint: '`remetal tape changer` lists the changers of this machine.',
      facts,
    });
  }
  return new RemetalError('changer-failed', `The changer ${changer} refused ${command}: ${said}`, {
    hint: /offline before/.test(said)
      ? 'The drive holds its cartridge; eject it first.'
      : 'Look at the display of the library.',
    facts,
  });
}
