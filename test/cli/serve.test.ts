import { execFile, spawn } from 'node:child_process';
import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { z } from 'zod';
import { Interruption } from '../../src/cli/outcome.ts';
import { requires } from '../helpers/requires.ts';
import { serverImage } from '../helpers/server-image.ts';
import { temporary } from '../helpers/temporary.ts';
import { remetal, type Ran } from './run.ts';

const MiB = 1024 * 1024;
const run = promisify(execFile);
const needs = requires('sfdisk', 'mke2fs', 'nbdcopy', 'nbdinfo', 'qemu-io');
const servingSchema = z.object({
  type: z.literal('serving'),
  exports: z.array(z.object({ name: z.string(), uri: z.string(), size: z.number(), readOnly: z.boolean() })),
});

interface Scene {
  readonly folder: string;
  readonly sets: string;
  readonly source: string;
  readonly environment: Record<string, string>;
}

async function scene(t: ExecutionContext): Promise<Scene> {
  const folder = temporary(t);
  const source = serverImage(folder);
  const sets = join(folder, 'sets');
  const environment = { REMETAL_STATE: join(folder, 'state') };
  const made = await remetal(['backup', '--disk', source, '--to', sets, '--name', 'web1'], { environment });
  t.is(made.status, 0, made.stderr);
  return { folder, source, sets, environment };
}

/** Serves while `work` runs, and then tells it to stop. */
async function serving(
  { sets, folder, environment }: Scene,
  address: string,
  options: readonly string[],
  work: (uri: (name: string) => string) => Promise<void>,
): Promise<Ran> {
  const socket = join(folder, 's');
  const stop = new AbortController();
  const words = ['serve', sets, address, '--socket', socket, '--json', ...options];
  const ran = remetal(words, { environment, signal: stop.signal });
  for (let turn = 0; turn < 1000 && !existsSync(socket); turn++) await delay(10);
  try {
    await work((name) => `nbd+unix:///${name}?socket=${socket}`);
  } finally {
    stop.abort(new Interruption('SIGINT'));
  }
  return await ran;
}

async function copied(folder: string, uri: string, size: number): Promise<Buffer> {
  const to = join(folder, 'copy');
  writeFileSync(to, '');
  truncateSync(to, size);
  await run('nbdcopy', [uri, to]);
  return readFileSync(to);
}

needs('a volume is read as it was, and nothing is left when it is stopped', async (t: ExecutionContext) => {
  const at = await scene(t);
  const ran = await serving(at, 'web1/data', [], async (uri) => {
    const bytes = await copied(at.folder, uri('data'), 16 * MiB);
    t.true(bytes.equals(readFileSync(at.source).subarray(33 * MiB, 49 * MiB)));
    const { stdout } = await run('nbdinfo', ['--map', '--totals', uri('')]);
    t.regex(stdout, /hole,zero/);
    t.regex(stdout, /data/);
  });
  t.is(ran.status, 0, ran.stderr);
  const [told] = ran.lines();
  t.deepEqual(servingSchema.parse(told).exports, [
    { name: 'data', uri: `nbd+unix:///data?socket=${join(at.folder, 's')}`, size: 16 * MiB, readOnly: true },
  ]);
  t.like(ran.last(), { type: 'result', verb: 'serve' });
  t.false(existsSync(join(at.folder, 's')));
});

needs('what clients wrote is kept in a file, and served again', async (t: ExecutionContext) => {
  const at = await scene(t);
  const kept = join(at.folder, 'fixes');
  const options = ['--writable', '--keep', kept];
  const write = ['-c', 'write -P 0x77 1M 64k', '-c', 'flush'];
  const first = await serving(at, 'web1/data', options, async (uri) => {
    await run('qemu-io', ['-f', 'raw', ...write, uri('data')]);
  });
  t.like(first.last(), { verb: 'serve', kept });
  await serving(at, 'web1/data', options, async (uri) => {
    const bytes = await copied(at.folder, uri('data'), 16 * MiB);
    t.true(bytes.subarray(MiB, MiB + 65536).equals(Buffer.alloc(65536, 0x77)));
  });
  const { sets, environment } = at;
  for (const [words, code] of [
    [['web1/data', '--keep', kept], 'usage'],
    [['web1', '--writable', '--keep', kept], 'usage'],
    [['web1/root', '--writable', '--keep', kept], 'overlay-unusable'],
    [['web1/data', '--writable', '--keep', at.source], 'overlay-unusable'],
  ] as const) {
    const ran = await remetal(['serve', sets, ...words, '--json'], { environment });
    t.like(ran.last(), { code }, words.join(' '));
  }
});

needs(
  'without a volume all of the set are served, one with a file system first',
  async (t: ExecutionContext) => {
    const at = await scene(t);
    const ran = await serving(at, 'latest', [], async (uri) => {
      const root = await copied(at.folder, uri('root'), 32 * MiB);
      t.true(root.equals(readFileSync(at.source).subarray(MiB, 33 * MiB)));
      t.true(root.equals(await copied(at.folder, uri(''), 32 * MiB)));
    });
    const { exports } = servingSchema.parse(ran.lines()[0]);
    t.deepEqual(
      exports.slice(0, 2).map(({ name }) => name),
      ['root', 'data'],
    );
    t.true(exports.length > 2, 'what lies between the volumes is there too');
  },
);

needs('what is written is there until the end, and never in the set', async (t: ExecutionContext) => {
  const at = await scene(t);
  const before = (await remetal(['verify', at.sets, '--json'])).last();
  await serving(at, 'web1/data', ['--writable', '--overlay', '2M'], async (uri) => {
    await run('qemu-io', ['-f', 'raw', '-c', 'write -P 7 4M 1M', uri('data')]);
    await run('qemu-io', ['-f', 'raw', '-c', 'read -P 7 4M 1M', uri('data')]);
    const full = await run('qemu-io', ['-f', 'raw', '-c', 'write -P 8 8M 4M', uri('data')]).catch(
      (error: { stdout: string; stderr: string }) => error,
    );
    t.regex(full.stdout + full.stderr, /No space left on device/);
  });
  const ran = await serving(at, 'web1/data', [], async (uri) => {
    const bytes = await copied(at.folder, uri('data'), 16 * MiB);
    t.true(bytes.equals(readFileSync(at.source).subarray(33 * MiB, 49 * MiB)));
    await t.throwsAsync(() => run('qemu-io', ['-f', 'raw', '-c', 'write 0 4k', uri('data')]));
  });
  t.is(ran.status, 0);
  t.like((await remetal(['verify', at.sets, '--json'])).last(), { sound: before['sound'], problems: [] });
});

needs(
  'the program serves on a port, prints the URI, and ends well when it is told to',
  async (t: ExecutionContext) => {
    const at = await scene(t);
    const program = resolve(import.meta.dirname, '..', '..', 'remetal');
    const words = ['serve', at.sets, 'web1/data', '--listen', '127.0.0.1:0', '--quiet'];
    const child = spawn(program, words, {
      env: { ...process.env, ...at.environment },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.teardown(() => child.kill('SIGKILL'));
    const ended = new Promise<number | null>((done) => {
      child.once('exit', done);
    });
    const [uri] = await Promise.race([
      new Promise<string[]>((done) => {
        createInterface({ input: child.stdout }).once('line', (line) => done([line]));
      }),
      ended.then(() => []),
    ]);
    t.regex(uri ?? '', /^nbd:\/\/127\.0\.0\.1:\d+\/data$/);
    t.is(Number((await run('nbdinfo', ['--size', uri!])).stdout), 16 * MiB);
    child.kill('SIGTERM');
    t.is(await ended, 0);
  },
);

test('what does not fit together is refused before anything is opened', async (t) => {
  for (const [words, message] of [
    [['--socket', 's', '--listen', '[::1]:0'], /two places/],
    [['--tls-cert', 'c', '--tls-key', 'k'], /TLS is for --listen/],
    [['--listen', '[::1]:0', '--tls-cert', 'c'], /needs a certificate and its key/],
    [['--listen', 'nowhere'], /HOST:PORT/],
    [['--listen', 'host:99999'], /HOST:PORT/],
    [['--listen', '[host]:1'], /HOST:PORT/],
  ] as const) {
    const ran = await remetal(['serve', 'web1', ...words]);
    t.is(ran.status, 2);
    t.regex(ran.stderr, message);
  }
});
