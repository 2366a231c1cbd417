import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { programEnvironment, run } from '../src/system/index.ts';
import { median } from './measured.ts';

const MiB = 1024 * 1024;
const GiB = 1024 * MiB;
const imageSize = GiB;
const rounds = 15;
/** What an overlay is filled with, and may be filled with, on a disk of so many bytes. */
const [written, mostWritten, hugeSize] = [6 * GiB, 16 * GiB, 4096 * GiB];
const server = resolve(import.meta.dirname, 'nbd-server.ts');
const node = resolve(import.meta.dirname, '..', 'remetal-node');

interface Running {
  readonly child: ReturnType<typeof start>;
  readonly uri: string;
}

function start(program: string, args: readonly string[]) {
  return execa(program, args, { env: programEnvironment(), reject: false });
}

async function ours(folder: string, args: readonly string[]): Promise<Running> {
  const socket = join(folder, 'ours');
  return await answering(start(node, [server, socket, ...args]), socket);
}

async function theirs(folder: string, image: string): Promise<Running> {
  const socket = join(folder, 'theirs');
  return await answering(start('nbdkit', ['-f', '-r', '-U', socket, 'file', image]), socket);
}

async function answering(child: Running['child'], socket: string): Promise<Running> {
  const uri = `nbd+unix:///?socket=${socket}`;
  for (let turn = 0; turn < 200; turn++) {
    const found = await execa('nbdinfo', ['--size', uri], { env: programEnvironment(), reject: false });
    if (found.exitCode === 0) return { child, uri };
    await delay(50);
  }
  throw new Error(`Nothing answers at ${uri}`);
}

async function stop({ child }: Running): Promise<void> {
  child.kill('SIGTERM');
  await child;
}

/** Seconds to read a whole disk. */
async function reading({ uri }: Running, options: readonly string[]): Promise<number> {
  const began = performance.now();
  await run('nbdcopy', ['--no-extents', ...options, uri, 'null:']);
  return (performance.now() - began) / 1000;
}

/** Bytes a process has in memory now, and had at most. */
async function memoryOf(pid: number): Promise<{ now: number; most: number }> {
  const { stdout } = await run('cat', [`/proc/${pid}/status`]);
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(stdout)?.[1] ?? NaN) * 1024;
  return { now: field('VmRSS'), most: field('VmHWM') };
}

/**
 * The server of block devices beside nbdkit's: the same image file in the page cache, read by nbdcopy, taking turns,
 * medians. And the memory it needs for a disk of 4 TiB that several gibibytes were written to.
 */
export async function nbd(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'remetal-bench-nbd-'));
  try {
    await throughput(folder);
    await memory(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function print(what: string, value: string): void {
  process.stdout.write(`${what.padEnd(44)} ${value}\n`);
}

async function throughput(folder: string): Promise<void> {
  const image = join(folder, 'image');
  await run('dd', ['if=/dev/urandom', `of=${image}`, 'bs=1M', `count=${imageSize / MiB}`, 'status=none']);
  const [us, them] = [await ours(folder, ['file', image]), await theirs(folder, image)];
  process.stdout.write(
    `Block device server: 1 GiB in the page cache read by nbdcopy, against nbdkit file, taking turns, median of ${rounds}\n`,
  );
  try {
    for (const [what, options] of [
      ['4 connections, requests of 256 KiB', []],
      ['1 connection', ['--connections=1']],
      ['4 connections, requests of 1 MiB', ['--request-size=1048576']],
    ] as const) {
      const [own, other]: [number[], number[]] = [[], []];
      for (const one of [us, them]) await reading(one, options);
      for (let round = 0; round < rounds; round++) {
        other.push(await reading(them, options));
        own.push(await reading(us, options));
      }
      const rates = [own, other].map((times) => imageSize / MiB / median(times));
      const ratio = rates[0]! / rates[1]!;
      print(what, `${ratio.toFixed(2)}  (${rates.map((rate) => rate.toFixed(0)).join(' against ')} MiB/s)`);
    }
    print('most memory while reading', `${((await memoryOf(us.child.pid!)).most / MiB).toFixed(0)} MiB`);
  } finally {
    await stop(us);
    await stop(them);
  }
}

async function memory(folder: string): Promise<void> {
  const huge = join(folder, 'huge');
  await writeFile(huge, '');
  await truncate(huge, hugeSize);
  const one = await ours(folder, ['overlay', huge, folder, String(mostWritten)]);
  try {
    // Small pieces far apart take most account.
    await run(
      'fio',
      [
        '--name=write',
        '--ioengine=nbd',
        `--uri=${one.uri}`,
        '--rw=randwrite',
        '--bs=64k',
        '--norandommap',
        '--iodepth=16',
        `--filesize=${hugeSize}`,
        `--io_size=${written}`,
        '--randseed=1',
      ],
      { cwd: folder },
    );
    const { now, most } = await memoryOf(one.child.pid!);
    print(
      'memory, 4 TiB of which 6 GiB were written',
      `${(now / MiB).toFixed(0)} MiB, at most ${(most / MiB).toFixed(0)} MiB`,
    );
  } finally {
    await stop(one);
  }
}
