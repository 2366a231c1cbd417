import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import { formatBytes } from '../bytes/index.ts';
import { overlay, type BlockDevice } from '../disk/index.ts';
import { setVolume } from '../mount/index.ts';
import { exportUri, serveNbd, type ListenAt, type NbdExport, type TlsFiles } from '../mount/nbd/index.ts';
import {
  addressedVolume,
  setAddressHelp,
  setAddressText,
  withAddressedSet,
  type AddressedSet,
} from './address.ts';
import { sizeOption, usage, type Context, type Verb } from './context.ts';
import { addSetOptions, type SetOptions } from './place.ts';
import { keep, keeping, type Keeping } from './serve-keep.ts';
import { shown } from './table.ts';

const gibibyte = 1024 ** 3;

export const serveVerb: Verb = (program, act) => {
  addSetOptions(
    program
      .command('serve')
      .description('serve volumes of a set as network block devices, for programs that read those')
      .argument('<address...>', setAddressText)
      .option('--writable', 'let clients write; what they write is thrown away at the end')
      .option('--keep <file>', 'keep it in a file instead, and go on with what that holds; for one volume')
      .addOption(
        new Option('--overlay <size>', 'most that may be written to each volume')
          .argParser(sizeOption)
          .default(16 * gibibyte, '16G'),
      )
      .addOption(
        new Option(
          '--memory <size>',
          'memory for what was read, and as much for what was written to each volume',
        )
          .argParser(sizeOption)
          .default(gibibyte / 16, '64M'),
      )
      .option('--socket <path>', 'the unix socket; one in a new folder of yours when absent')
      .option('--listen <host:port>', 'a TCP port in its place; port 0 for any that is free', endpointOption)
      .option('--tls-cert <file>', 'serve encrypted only: the certificate with its chain, PEM')
      .option('--tls-key <file>', 'the key of the certificate, PEM')
      .option('--tls-ca <file>', 'let only clients in that have a certificate of this authority, PEM'),
  )
    .addHelpText(
      'after',
      `${setAddressHelp}

Where no volume is named, all of the set are served, each under its name; a client that asks for none by name gets
the first that holds a file system. The URI of each is printed on standard output, one a line. Nothing of the set is
ever written. It is served until Ctrl-C or SIGTERM; clients that are connected then get their last answers.
No root is needed. The socket is for your user alone; a TCP port without TLS is for everybody who reaches it.

Examples:
  remetal serve web1/root                                           print its URI and serve it
  nbdinfo 'nbd+unix:///root?socket=…'                               size, and what holds data
  nbdcopy 'nbd+unix:///root?socket=…' root.img                      an image file with its holes
  qemu-img convert -O qcow2 'nbd+unix:///root?socket=…' root.qcow2  one for a virtual machine
  remetal serve /mnt/usbdisk/web1 latest --socket /run/web1.sock    all volumes of the newest set
  remetal serve web1/root --writable --overlay 100G                 let a client change it, for nothing
  remetal serve web1 --listen 192.0.2.7:10809 --tls-cert cert.pem --tls-key key.pem`,
    )
    .action(act(serve));
};

interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** `HOST:PORT`, or `[HOST]:PORT` where the host is an IPv6 address. */
function endpointOption(value: string): Endpoint {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(value) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || !(port <= 65535) || (bracketed !== undefined && isIP(bracketed) !== 6)) {
    throw new InvalidArgumentError('Write HOST:PORT, or [ADDRESS]:PORT for an IPv6 address.');
  }
  return { host, port };
}

interface ServeVerbOptions extends SetOptions {
  readonly writable?: boolean;
  readonly keep?: string;
  readonly overlay: number;
  readonly memory: number;
  readonly socket?: string;
  readonly listen?: Endpoint;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsCa?: string;
}

async function serve(context: Context, words: readonly string[], options: ServeVerbOptions): Promise<void> {
  const tls = await tlsFiles(options);
  if (options.keep !== undefined && options.writable !== true) {
    usage('--keep is for --writable: nothing else writes.');
  }
  await withAddressedSet(context, words, options, async (at) => {
    if (at.rest.length > 0) usage(`${at.rest[0]} is one word too many.`, 'Write PLACE SET/VOLUME.');
    const own = (options.socket ?? options.listen) ? null : await mkdtemp(join(tmpdir(), 'remetal-serve-'));
    const devices: BlockDevice[] = [];
    const kept: Keeping[] = [];
    try {
      const exports = await exportsOf(context, at, options, { devices, kept });
      const socket = resolve(options.socket ?? join(own ?? '', 'socket'));
      const listen: ListenAt = options.listen === undefined ? { socket } : { ...options.listen, tls };
      const face =
        kept.length === 0 ? 'writable, for nothing' : `writable, kept in ${shown(options.keep ?? '')}`;
      await serveUntilStopped(context, at.reader.name, { exports, face }, listen);
      const paths: string[] = [];
      for (const each of kept) paths.push(await keep(context, each));
      context.output.result({ verb: 'serve', set: at.reader.name, kept: paths[0] ?? null }, '');
    } finally {
      for (const device of devices.toReversed()) await device.close();
      if (own !== null) await rm(own, { recursive: true, force: true });
    }
  });
}

async function tlsFiles(options: ServeVerbOptions): Promise<TlsFiles | null> {
  const { socket, listen, tlsCert, tlsKey, tlsCa } = options;
  if (socket !== undefined && listen !== undefined)
    usage('--socket and --listen are two places.', 'Name one.');
  if (tlsCert === undefined && tlsKey === undefined && tlsCa === undefined) return null;
  if (listen === undefined) usage('TLS is for --listen; a unix socket needs none.');
  if (tlsCert === undefined || tlsKey === undefined) {
    return usage('TLS needs a certificate and its key.', 'Give --tls-cert and --tls-key.');
  }
  return {
    cert: await readFile(tlsCert),
    key: await readFile(tlsKey),
    ...(tlsCa === undefined ? {} : { ca: await readFile(tlsCa) }),
  };
}

/** What is served of a set; the devices that are opened for it, and what is to be kept of them, are added. */
async function exportsOf(
  context: Context,
  { reader, volume: wanted }: AddressedSet,
  options: ServeVerbOptions,
  { devices, kept }: { readonly devices: BlockDevice[]; readonly kept: Keeping[] },
): Promise<NbdExport[]> {
  const { layout } = reader;
  const volumes =
    wanted === null
      ? layout.volumes
          .filter(({ id }) => reader.maps.has(id))
          .toSorted((a, b) => Number(b.filesystem !== null) - Number(a.filesystem !== null))
      : [addressedVolume(layout, reader.name, wanted)];
  if (options.keep !== undefined && volumes.length !== 1) {
    usage('--keep is for one volume.', 'Write SET/VOLUME.');
  }
  const times = Map.groupBy(volumes, ({ name }) => name);
  const exports: NbdExport[] = [];
  for (const { id, name, filesystem } of volumes) {
    const below = setVolume(reader, id, { memoryBytes: options.memory, signal: context.signal });
    devices.push(below);
    let device: BlockDevice = below;
    if (options.writable === true) {
      const over = await overlay(below, {
        folder: tmpdir(),
        memoryBytes: options.memory,
        mostBytes: options.overlay,
      });
      devices.push(over);
      device = over;
      if (options.keep !== undefined) {
        const owner = { setId: reader.head.setId, set: reader.name, volume: id, size: below.size };
        kept.push(await keeping(resolve(options.keep), owner, over));
      }
    }
    const unique = name !== '' && times.get(name)?.length === 1;
    exports.push({
      name: unique ? name : id,
      description: `${filesystem?.type ?? 'volume'} ${id} of ${reader.name}`,
      device,
      readOnly: options.writable !== true,
    });
  }
  if (exports.length === 0) usage(`The set ${reader.name} holds no volume that could be served.`);
  return exports;
}

async function serveUntilStopped(
  context: Context,
  set: string,
  { exports, face }: { readonly exports: readonly NbdExport[]; readonly face: string },
  listen: ListenAt,
): Promise<void> {
  const { output, signal, world } = context;
  const server = await serveNbd({ exports, listen, tell: (notice) => context.tell(notice) });
  try {
    const served = exports.map(({ name, device, readOnly }) => ({
      name,
      uri: exportUri(listen, name, server.port ?? undefined),
      size: device.size,
      readOnly,
    }));
    output.event({
      type: 'serving',
      set,
      socket: 'socket' in listen ? listen.socket : null,
      port: server.port,
      exports: served,
    });
    for (const { name, uri, size, readOnly } of served) {
      output.remark(`${shown(name)}: ${formatBytes(size)}, ${readOnly ? 'read-only' : face}`);
      if (!output.json) world.stdout.write(`${uri}\n`);
    }
    if (!('socket' in listen) && listen.tls === null && !isLoopback(listen.host)) {
      context.tell({
        level: 'warning',
        code: 'served-in-the-clear',
        message:
          'Everybody who reaches this port can read what is served; --tls-cert and --tls-key encrypt it.',
      });
    }
    output.remark('Serving until Ctrl-C.');
    await stopped(signal);
  } finally {
    await server.close();
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** Ends when the person, or whoever started this, has had enough. */
async function stopped(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((done) => {
    signal.addEventListener('abort', () => done(), { once: true });
  });
}
