import { setTimeout as delay } from 'node:timers/promises';
import { isCoded } from '../errors/index.ts';
import { run } from './run.ts';

export interface LoopRequest {
  /** A file or block device. */
  readonly path: string;
  /** Bytes from its start; 0 by default. */
  readonly offset?: number;
  /** Bytes; to the end by default. */
  readonly size?: number;
  readonly readOnly?: boolean;
  /** 512 by default. */
  readonly sectorSize?: number;
  /** Read the file past the page cache, which would keep everything twice; off by default. */
  readonly directIo?: boolean;
  /** Let the kernel show the partitions inside; off by default. */
  readonly partitions?: boolean;
}

export interface Loop {
  /** The device node, `/dev/loop3`. */
  readonly path: string;
  detach(): Promise<void>;
}

/** Shows a range of a file or device as a block device. Needs root. Throws `program-failed`. */
export async function attachLoop(request: LoopRequest): Promise<Loop> {
  const args = ['--find', '--show', '--offset', String(request.offset ?? 0)];
  if (request.size !== undefined) args.push('--sizelimit', String(request.size));
  if (request.readOnly === true) args.push('--read-only');
  if (request.sectorSize !== undefined) args.push('--sector-size', String(request.sectorSize));
  if (request.directIo === true) args.push('--direct-io=on');
  if (request.partitions === true) args.push('--partscan');
  const path = (await attached([...args, request.path])).trim();
  return {
    path,
    async detach() {
      await run('losetup', ['--detach', path]);
    },
  };
}

/** `--find` and the attaching are two steps, so two callers at once can pick one device: tried again. */
async function attached(args: readonly string[]): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    try {
      return (await run('losetup', args)).stdout;
    } catch (error) {
      const busy = isCoded(error, 'program-failed') && String(error.facts['stderr']).includes('busy');
      if (!busy || attempt === 5) throw error;
      await delay(50 * attempt);
    }
  }
}
