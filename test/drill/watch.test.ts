import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import { parseProbe, ask } from '../../src/drill/probe.ts';
import { watchMachine } from '../../src/drill/watch.ts';
import { requires } from '../helpers/requires.ts';
import { blankImage } from '../helpers/server-image.ts';
import { bootSector } from './boot-sector.ts';
import { temporary } from '../helpers/temporary.ts';
import type { WatchOptions } from '../../src/drill/watch.ts';

function machine(folder: string, disk: string, changes: Partial<WatchOptions> = {}): WatchOptions {
  return {
    hardware: {
      firmware: 'bios',
      accelerator: 'tcg',
      memoryBytes: 128 * 2 ** 20,
      cpus: 1,
      disks: [{ source: { kind: 'file', path: disk }, controller: 'ahci', sectorSize: 512 }],
    },
    folder,
    expect: null,
    probe: null,
    seconds: 60,
    ...changes,
  };
}

const withEmulator = requires('qemu-system-x86_64');

withEmulator('a machine that asks who logs in has come up', async (t) => {
  const folder = temporary(t);
  const disk = blankImage(join(folder, 'disk'), 2 ** 20);
  writeFileSync(disk, bootSector('\r\nweb1 login: '), { flag: 'r+' });
  const watched = await watchMachine(machine(folder, disk));
  t.is(watched.verdict, 'passed');
  t.is(watched.seen, 'web1 login:');
  t.is(watched.failure, null);
  t.regex(watched.serial, /web1 login/);
  t.deepEqual([...watched.screenshot!.subarray(1, 4)], [...Buffer.from('PNG')]);
});

withEmulator('a disk without a boot loader fails with what the firmware shows on the screen', async (t) => {
  const folder = temporary(t);
  const disk = blankImage(join(folder, 'disk'), 2 ** 20);
  const watched = await watchMachine(machine(folder, disk));
  t.is(watched.verdict, 'failed');
  t.is(watched.failure?.code, 'no-boot-loader');
  t.regex(watched.failure?.reason ?? '', /No bootable device/);
  t.regex(watched.screen ?? '', /SeaBIOS/);
});

withEmulator('what is expected may be anything, and a panic ends the wait', async (t) => {
  const folder = temporary(t);
  const disk = blankImage(join(folder, 'disk'), 2 ** 20);
  writeFileSync(disk, bootSector('\r\nTOKEN 77\r\nKernel panic - not syncing: x\r\n'), { flag: 'r+' });
  t.is((await watchMachine(machine(folder, disk, { expect: /TOKEN \d+/ }))).seen, 'TOKEN 77');
  const failed = await watchMachine(machine(folder, disk));
  t.is(failed.failure?.code, 'kernel-panic');
  const silent = blankImage(join(folder, 'silent'), 2 ** 20);
  writeFileSync(silent, bootSector(''), { flag: 'r+' });
  const waited = await watchMachine(machine(folder, silent, { seconds: 3 }));
  t.is(waited.failure?.code, 'boot-loader-stuck');
  const given = await watchMachine(machine(folder, silent, { seconds: 100, loaderSeconds: 2 }));
  t.is(given.failure?.code, 'boot-loader-stuck');
  t.true(given.seconds < 60);
  t.not(waited.screenshot, null);
});

withEmulator(
  'a machine that keeps restarting, trouble with the disks and an interruption end it',
  async (t) => {
    const folder = temporary(t);
    const disk = blankImage(join(folder, 'disk'), 2 ** 20);
    // jmp ffff:0, the way a processor starts.
    writeFileSync(disk, bootSector('again\r\n', [0xea, 0, 0, 0xff, 0xff]), { flag: 'r+' });
    const trouble = { code: 'disk-error', reason: 'A record is damaged.' } as const;
    const troubled = await watchMachine(machine(folder, disk, { trouble: () => trouble }));
    t.deepEqual(troubled.failure, trouble);
    const stopping = new AbortController();
    const running = watchMachine(machine(folder, disk, { signal: stopping.signal }));
    stopping.abort(new Error('enough'));
    await t.throwsAsync(running, { message: 'enough' });
    const odd = machine(folder, disk);
    const broken = { ...odd, hardware: { ...odd.hardware, memoryBytes: 2 ** 60 } };
    await t.throwsAsync(watchMachine(broken), { code: 'program-failed' });
  },
);

withEmulator(
  'a login prompt does not stand in for a probe, nor does a connection that QEMU takes',
  async (t) => {
    const folder = temporary(t);
    const disk = blankImage(join(folder, 'disk'), 2 ** 20);
    writeFileSync(disk, bootSector('\r\nweb1 login: '), { flag: 'r+' });
    const probe = parseProbe('http:192.0.2.2:80');
    const watched = await watchMachine(machine(folder, disk, { probe, seconds: 12 }));
    t.is(watched.failure?.code, 'timed-out');
    t.regex(watched.failure?.reason ?? '', /web1 login/);
  },
);

test('a service has answered when it has said something', async (t) => {
  const server = createServer((socket) => {
    socket.on('data', (bytes) =>
      socket.end(`HTTP/1.0 ${bytes.toString().startsWith('GET /') ? 200 : 400} OK\r\n`),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  t.is(await ask(parseProbe('http:80'), port, 5000), 'HTTP/1.0 200 OK');
  // Taken, but with nothing to say, as QEMU does it in place of a guest that is not there.
  t.is(await ask(parseProbe('tcp:22'), port, 50), null);
  server.close();
  await once(server, 'close');
  t.is(await ask(parseProbe('tcp:22'), port, 5000), null);
});

test('a probe is a kind, perhaps an address, and a port', (t) => {
  t.deepEqual(parseProbe('tcp:22'), { kind: 'tcp', address: null, port: 22 });
  t.deepEqual(parseProbe('http:192.0.2.10:8080'), { kind: 'http', address: '192.0.2.10', port: 8080 });
  for (const wrong of ['22', 'udp:53', 'tcp:0', 'tcp:70000', 'tcp:1.2.3.400:22', 'tcp:example:22']) {
    t.throws(() => parseProbe(wrong), { code: 'usage' }, wrong);
  }
});
