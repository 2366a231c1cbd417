import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { execFile } from 'node:child_process';
import { connect as connectTls } from 'node:tls';
import type { ExecutionContext } from 'ava';
import { serveNbd, type NbdServer } from '../../../src/mount/nbd/index.ts';
import type { Limits } from '../../../src/mount/nbd/limits.ts';
import { requires } from '../../helpers/requires.ts';
import { temporary } from '../../helpers/temporary.ts';
import { RawClient, text, uint16 } from './client.ts';
import { eventually, sparseDisk } from './serving.ts';

const run = promisify(execFile);
const startTls = 5;
const tlsRequired = 0x80000005;

/** An authority, and certificates of it for a server and a client, as gnutls and qemu lay them out. */
function certificates(folder: string): string {
  const pki = join(folder, 'pki');
  mkdirSync(pki);
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: pki, stdio: 'ignore' });
  };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  openssl('req', '-x509', ...key, '-subj', '/CN=authority', '-keyout', 'ca-key.pem', '-out', 'ca-cert.pem');
  for (const [name, alternative] of [
    ['server', 'DNS:localhost,IP:127.0.0.1'],
    ['client', 'DNS:client'],
  ] as const) {
    openssl(
      'req',
      '-x509',
      '-CA',
      'ca-cert.pem',
      '-CAkey',
      'ca-key.pem',
      ...key,
      '-subj',
      `/CN=${name}`,
      '-addext',
      `subjectAltName=${alternative}`,
      '-addext',
      'basicConstraints=critical,CA:FALSE',
      '-keyout',
      `${name}-key.pem`,
      '-out',
      `${name}-cert.pem`,
    );
  }
  return pki;
}

async function secure(
  t: ExecutionContext<any>,
  askClients = false,
  limits: Partial<Limits> = {},
): Promise<{ server: NbdServer; port: number; pki: string }> {
  const pki = certificates(temporary(t));
  const pem = (name: string): Buffer => readFileSync(join(pki, `${name}.pem`));
  const server = await serveNbd({
    listen: {
      host: '127.0.0.1',
      port: 0,
      tls: {
        cert: pem('server-cert'),
        key: pem('server-key'),
        ...(askClients ? { ca: pem('ca-cert') } : {}),
      },
    },
    exports: [{ name: 'disk', description: '', device: await sparseDisk(), readOnly: true }],
    limits,
  });
  t.teardown(() => server.close());
  return { server, port: server.port!, pki };
}

async function greeted(port: number): Promise<RawClient> {
  const client = new RawClient(connect({ port, host: '127.0.0.1' }));
  await client.greet();
  return client;
}

const needs = requires('openssl');

needs('where TLS is wanted nothing else is answered', async (t: ExecutionContext) => {
  const { port, server } = await secure(t);
  const client = await greeted(port);
  for (const type of [3, 6, 7, 8, 9, 10, 11]) {
    client.option(type, Buffer.concat([text('disk'), uint16(0)]));
    t.like(await client.optionReply(), { option: type, type: tlsRequired });
  }
  client.option(startTls, Buffer.from('x'));
  t.is((await client.optionReply())?.type, 0x80000003);
  client.option(2);
  t.like(await client.optionReply(), { option: 2, type: 1 });
  t.true(await client.closed());
  const other = await greeted(port);
  other.option(1, Buffer.from('disk'));
  t.true(await other.closed());
  await eventually(t, 'nobody is connected', () => server.connections === 0);
});

needs('what is slipped in before the encryption ends the connection', async (t: ExecutionContext) => {
  const { port } = await secure(t);
  const client = await greeted(port);
  client.send('IHAVEOPT\0\0\0\u0005\0\0\0\0IHAVEOPT\0\0\0\u0003\0\0\0\0');
  t.true(await client.closed());
});

needs('a client that talks no TLS after it asked for it is dropped', async (t: ExecutionContext) => {
  const { port, server } = await secure(t);
  const client = await greeted(port);
  client.option(startTls);
  t.is((await client.optionReply())?.type, 1);
  client.option(3);
  t.true(await client.closed());
  await eventually(t, 'nobody is connected', () => server.connections === 0);
});

needs(
  'who falls silent once TLS was agreed is shown out, by time or by the end of the server',
  async (t: ExecutionContext) => {
    for (const limits of [{ handshake: 500 }, { grace: 100 }]) {
      const { port, server } = await secure(t, true, limits);
      const client = await greeted(port);
      client.option(startTls);
      t.is((await client.optionReply())?.type, 1);
      if ('grace' in limits) await server.close();
      t.true(await client.closed());
      await eventually(t, 'nobody is connected', () => server.connections === 0);
    }
  },
);

needs('inside TLS all is as outside, and TLS is not asked for twice', async (t: ExecutionContext) => {
  const { port, pki, server } = await secure(t);
  const plain = connect({ port, host: '127.0.0.1' });
  const client = new RawClient(plain);
  await client.greet();
  client.option(startTls);
  t.is((await client.optionReply())?.type, 1);
  plain.removeAllListeners('readable');
  const inside = new RawClient(
    connectTls({ socket: plain, ca: readFileSync(join(pki, 'ca-cert.pem')), servername: 'localhost' }),
  );
  inside.option(startTls);
  t.is((await inside.optionReply())?.type, 0x80000003);
  inside.option(7, Buffer.concat([text('disk'), uint16(0)]));
  t.is((await inside.optionReplies()).at(-1)?.type, 1);
  inside.request(0, { length: 100_000 });
  t.is((await inside.simple(100_000)).data.length, 100_000);
  inside.destroy();
  await eventually(t, 'nobody is connected', () => server.connections === 0 && server.bytesInFlight === 0);
});

requires(
  'openssl',
  'nbdinfo',
  'nbdcopy',
)(
  'libnbd reads over TLS; without the certificate that is asked for it does not',
  async (t: ExecutionContext) => {
    const asking = await secure(t, true);
    const { server, pki } = asking;
    const uri = `${server.uri}?tls-certificates=${pki}`;
    t.regex((await run('nbdinfo', [uri])).stdout, /with TLS/);
    t.is(Number((await run('nbdinfo', ['--size', uri])).stdout), 16 * 1024 * 1024);
    await run('nbdcopy', [uri, 'null:']);
    const none = join(pki, '..', 'none');
    mkdirSync(none);
    execFileSync('cp', [join(pki, 'ca-cert.pem'), none]);
    await t.throwsAsync(() => run('nbdinfo', [`${server.uri}?tls-certificates=${none}`]));
    await eventually(t, 'nobody is connected', () => server.connections === 0);
    await t.throwsAsync(() => run('nbdinfo', [server.uri.replace('nbds', 'nbd')]), {
      message: /Operation not supported/,
    });
  },
);

requires('openssl', 'qemu-img')('qemu reads over TLS', async (t: ExecutionContext) => {
  const { pki, port } = await secure(t, true);
  const { stdout } = await run('qemu-img', [
    'info',
    '--object',
    `tls-creds-x509,id=tls,dir=${pki},endpoint=client,verify-peer=on`,
    '--image-opts',
    `driver=nbd,host=127.0.0.1,port=${port},tls-creds=tls,tls-hostname=localhost,export=disk`,
  ]);
  t.regex(stdout, /16 MiB/);
});

needs('a certificate that is none is told of before anything is served', async (t: ExecutionContext) => {
  await t.throwsAsync(
    async () =>
      await serveNbd({
        listen: { host: '127.0.0.1', port: 0, tls: { cert: 'x', key: 'y' } },
        exports: [{ name: 'disk', description: '', device: await sparseDisk(), readOnly: true }],
      }),
    { code: 'usage' },
  );
});
