import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import {
  attachNbd,
  clearAttached,
  endProcess,
  mounts,
  processIdentity,
  type AttachWay,
} from '../../src/system/index.ts';
import { requiresRoot } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';

const MiB = 1024 * 1024;

interface Served {
  readonly folder: string;
  readonly socket: string;
  readonly image: string;
  readonly bytes: Buffer;
  readonly server: ChildProcess;
}

/** An image file behind a server that is not ours. */
async function served(t: ExecutionContext): Promise<Served> {
  const folder = temporary(t);
  const [image, socket] = [join(folder, 'img'), join(folder, 'sock')];
  const bytes = randomBytes(8 * MiB);
  writeFileSync(image, bytes);
  const server = spawn('nbdkit', ['-f', '-U', socket, 'file', image], { stdio: 'ignore' });
  t.teardown(() => server.kill('SIGKILL'));
  for (let i = 0; i < 500 && !existsSync(socket); i++) await delay(10);
  return { folder, socket, image, bytes, server };
}

function loopsIn(folder: string): string[] {
  return execFileSync('losetup', ['-n', '-O', 'NAME,BACK-FILE'], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(folder));
}

function processesOf(folder: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      } catch {
        return '';
      }
    })
    .filter((words) => words.includes(folder) && !words.includes('nbdkit'));
}

async function nothingLeft(t: ExecutionContext, folder: string): Promise<void> {
  t.deepEqual(loopsIn(folder), []);
  t.deepEqual(
    (await mounts()).filter(({ mountPoint }) => mountPoint.startsWith(folder)),
    [],
  );
  t.deepEqual(processesOf(folder), []);
  t.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith('attached-')),
    [],
  );
}

const tools: Record<Exclude<AttachWay, 'nbd'>, string[]> = {
  nbdfuse: ['nbdkit', 'nbdfuse'],
  fuse: ['nbdkit'],
};

for (const how of ['nbdfuse', 'fuse'] as const) {
  const needs = requiresRoot('losetup', 'mount', ...tools[how]);

  needs(`${how}: the device reads and writes what the server holds, and leaves nothing`, async (t) => {
    const { folder, socket, image, bytes } = await served(t);
    const reading = await attachNbd(socket, { readOnly: true, ways: [how] });
    t.is(reading.how, how);
    t.true(readFileSync(reading.path).equals(bytes));
    await reading.detach();
    await nothingLeft(t, folder);

    const writing = await attachNbd(socket, { readOnly: false, ways: [how] });
    const fd = openSync(writing.path, 'r+');
    const piece = randomBytes(300 * 1024);
    writeSync(fd, piece, 0, piece.length, 512 * 1024);
    execFileSync('blockdev', ['--flushbufs', writing.path]);
    const back = Buffer.alloc(piece.length);
    readSync(fd, back, 0, back.length, 512 * 1024);
    closeSync(fd);
    t.true(back.equals(piece));
    t.true(
      readFileSync(image)
        .subarray(512 * 1024, 812 * 1024)
        .equals(piece),
    );
    await writing.detach();
    await nothingLeft(t, folder);
  });

  needs(`${how}: a device whose server was killed is cleared by somebody else`, async (t) => {
    const { folder, socket, server } = await served(t);
    const { path } = await attachNbd(socket, { readOnly: true, ways: [how] });
    server.kill('SIGKILL');
    t.throws(() => readFileSync(path), { code: 'EIO' });
    await clearAttached(folder);
    await nothingLeft(t, folder);
  });

  needs(`${how}: a device whose file lost its process is cleared`, async (t) => {
    const { folder, socket } = await served(t);
    await attachNbd(socket, { readOnly: true, ways: [how] });
    const [attached] = readdirSync(folder).filter((name) => name.startsWith('attached-'));
    const pid = Number(readFileSync(join(folder, attached!, 'pid'), 'utf8'));
    process.kill(pid, 'SIGKILL');
    await clearAttached(folder);
    await nothingLeft(t, folder);
    t.is(await processIdentity(pid), null);
  });
}

requiresRoot('losetup')('no server: an error, and nothing left', async (t) => {
  const folder = temporary(t);
  const socket = join(folder, 'sock');
  const error = await t.throwsAsync(attachNbd(socket, { readOnly: true }), { code: 'mount-failed' });
  t.truthy(error);
  await nothingLeft(t, folder);
});

requiresRoot()('a process of the same number is not the same process', async (t) => {
  const child = spawn('sleep', ['60']);
  t.teardown(() => child.kill('SIGKILL'));
  const identity = (await processIdentity(child.pid!))!;
  await endProcess({ ...identity, startTime: '1' }, 100);
  t.deepEqual(await processIdentity(child.pid!), identity);
  await endProcess(identity, 2000);
  t.is(await processIdentity(child.pid!), null);
});
