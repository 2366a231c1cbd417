import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatBytes } from '../src/bytes/index.ts';
import { applianceIngredients, applianceKernel, inTapeGuest } from '../qemu-tests/tape-guest/index.ts';
import { startTapeTarget } from '../qemu-tests/tape-target/target.ts';
import { median } from './measured.ts';
import { measures, type Contestant, type Turn } from './tape-path-turns.ts';

const MiB = 1024 * 1024;
const turns = 5;
const bytes = 256 * MiB;
const recordSize = 512 * 1024;
/** Of the speed of dd. */
const aim = 0.9;

/**
 * The way of a record onto the tape and off it beside dd and bare calls with the same block size, on one drive in one guest.
 * The drive is that of qemu-tests/tape-target, which locates and tells as an LTO drive does: Remetal asks it what
 * it would ask a real one.
 */
export async function tapePath(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'remetal-bench-'));
  try {
    const target = await startTapeTarget({ cartridges: { BENCH1L8: { size: 2 * bytes } } });
    try {
      const ingredients = await applianceIngredients();
      const lines = await inTapeGuest({
        name: 'tape-path',
        logs: join(folder, 'logs'),
        scratch: join(folder, 'machine'),
        ingredients,
        kernel: applianceKernel(ingredients),
        tape: [{ url: target.url(0) }],
        program: join(import.meta.dirname, 'tape-path-turns.ts'),
        arguments: ['/dev/nst0', String(turns), String(bytes), String(recordSize)],
        seconds: 550,
      });
      report(measures(lines));
    } finally {
      await target.close();
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

function speeds(all: readonly Turn[], direction: Turn['direction'], who: Turn['who']): number[] {
  return all
    .filter((turn) => turn.direction === direction && turn.who === who)
    .map(({ seconds }) => bytes / MiB / seconds);
}

function inTurn(values: readonly number[]): string {
  return values.map((value) => value.toFixed(0)).join(' ');
}

function compare(all: readonly Turn[], direction: Turn['direction'], theirName: Contestant): number {
  const [own, theirs] = [speeds(all, direction, 'remetal'), speeds(all, direction, theirName)];
  const ratio = median(own) / median(theirs);
  const what = `tape ${direction}, speed against ${theirName === 'dd' ? 'dd' : 'bare calls'}`;
  process.stdout.write(
    `${what.padEnd(44)} ${ratio.toFixed(2)}  (${inTurn(own)} MiB/s against ${inTurn(theirs)} MiB/s)\n`,
  );
  return ratio;
}

function report(all: readonly Turn[]): void {
  process.stdout.write(
    [
      `Tape path: records of ${formatBytes(recordSize)} made beforehand, through ring, TapeSink and st, and back through ReadAhead and TapeSource.`,
      `Against dd, and against a loop of the same calls to st from Node; on one drive of the tape target in an emulated guest, ${formatBytes(bytes)} a turn, taking turns, median of ${turns}.`,
      'What dd gains on the loop is the way to a thread of the pool and back for each block, which takes milliseconds where processors are emulated.',
      '',
    ].join('\n'),
  );
  const low: string[] = [];
  for (const direction of ['write', 'read'] as const) {
    if (compare(all, direction, 'dd') < aim) low.push(direction);
    compare(all, direction, 'st');
  }
  if (low.length > 0) process.stdout.write(`Below the aim of ${aim} of dd: ${low.join(', ')}.\n`);
}
