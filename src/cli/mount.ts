import { realpath, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { formatBytes, formatDuration } from '../bytes/index.ts';
import { codes, RemetalError, type ErrorCode } from '../errors/index.ts';
import {
  atHandIn,
  clearMount,
  failureIn,
  knownMounts,
  logIn,
  makeMountFolder,
  saveRequest,
  saveState,
  servedIn,
  socketIn,
  warningsIn,
  type MountState,
  type ServedVolume,
} from '../mount/mount-state.ts';
import {
  attachNbd,
  fillDeviceCache,
  isMounted,
  isRunning,
  mountVolume,
  ownCommand,
  readsThroughDeviceCache,
  startBackground,
  type ProcessIdentity,
} from '../system/index.ts';
import { setAddress, setAddressHelp, setAddressText } from './address.ts';
import { sizeOption, usage, type Context, type Verb } from './context.ts';
import { absolutePlace } from './known-places.ts';
import { addSetOptions, type SetOptions } from './place.ts';
import { shown, table } from './table.ts';
import { Option } from 'commander';

const gibibyte = 1024 ** 3;

export const mountVerb: Verb = (program, act) => {
  addSetOptions(
    program
      .command('mount')
      .description('mount a volume of a set, or list what is mounted')
      .argument('[address...]', `${setAddressText}; and the folder it is mounted on`)
      .option('--writable', 'let it be written; what is written is thrown away when it is unmounted')
      .option('--keep <file>', 'keep it in a file instead, and go on with what that holds')
      .addOption(
        new Option('--overlay <size>', 'most that may be written')
          .argParser(sizeOption)
          .default(16 * gibibyte, '16G'),
      )
      .addOption(
        new Option('--memory <size>', 'memory for what was read, and as much for what was written')
          .argParser(sizeOption)
          .default(gibibyte / 16, '64M'),
      ),
  )
    .addHelpText(
      'after',
      `${setAddressHelp}

Nothing of the set is ever written. A volume that was imaged while in use has its journal replayed into memory.
A server in the background reads the set until \`remetal umount\`; a cartridge that is wanted and not in the drive
fails the reads that need it, and is named by \`remetal mount\` and \`remetal umount\`. Root is needed.

Examples:
  remetal mount web1/root /mnt                     browse the newest image of web1
  remetal mount /mnt/usbdisk/web1 latest/data /mnt a set in a folder
  remetal mount tape:/dev/nst0 web1/root /mnt      ls in seconds; data is fetched when it is read
  remetal mount web1/root /mnt --writable          try something; it is thrown away
  remetal mount web1/root /mnt --writable --keep fixes    try something, and go on another day
  remetal mount                                    what is mounted
  remetal umount /mnt`,
    )
    .action(act(mount));
};

interface MountOptions extends SetOptions {
  readonly writable?: boolean;
  readonly keep?: string;
  readonly overlay: number;
  readonly memory: number;
}

async function mount(context: Context, words: readonly string[], options: MountOptions): Promise<void> {
  if (words.length === 0) await list(context);
  else await mountOne(context, words, options);
}

async function list(context: Context): Promise<void> {
  const found = await knownMounts(context.world.environment);
  const mounts = await Promise.all(
    found.map(async ({ folder, state, served, condition }) => ({
      folder: state.target,
      set: served?.set ?? state.set,
      volume: served?.name ?? state.volume,
      place: state.place,
      condition,
      writable: state.writable,
      keep: state.keep,
      device: state.device,
      how: state.how,
      since: state.since,
      warnings: await warningsIn(folder),
    })),
  );
  const rows = mounts.map(({ folder, set, volume, condition, how, since }) =>
    [folder, set, volume ?? '-', condition, how ?? '-', since].map(shown),
  );
  const lines = mounts.flatMap(({ folder, warnings }) => warnings.map((line) => `${folder}: ${line}\n`));
  context.output.result(
    { verb: 'mount', mounts },
    rows.length === 0
      ? 'Nothing is mounted.\n'
      : table(['folder', 'set', 'volume', 'state', 'by', 'since'], rows) + lines.map(shown).join('\n'),
  );
}

/** The folder, checked and without links. */
async function targetOf(word: string): Promise<string> {
  const facts = await stat(word);
  if (!facts.isDirectory()) usage(`${word} is no folder.`);
  const target = await realpath(word);
  if (target === '/') usage('A volume is not mounted over the whole system.');
  if (await isMounted(target)) {
    throw new RemetalError('mount-failed', `Something is mounted on ${target} already.`, {
      hint: 'Name another folder, or unmount it: remetal umount where it is of a set.',
      facts: { folder: target },
    });
  }
  return target;
}

async function mountOne(context: Context, words: readonly string[], options: MountOptions): Promise<void> {
  const last = words.at(-1)!;
  const address = setAddress(words.slice(0, -1));
  if (address.rest.length > 0) usage(`${address.rest[0]} is one word too many.`, 'Write SET/VOLUME FOLDER.');
  if (process.getuid?.() !== 0) {
    throw new RemetalError('not-permitted', 'Mounting takes root.', {
      hint: 'Run it with sudo; `remetal serve`, `files` and `extract` need none.',
    });
  }
  if (options.keep !== undefined && options.writable !== true) {
    usage('--keep is for --writable: nothing else writes.');
  }
  const target = await targetOf(last);
  const keep = options.keep === undefined ? null : resolve(options.keep);
  if (keep !== null && `${keep}/`.startsWith(`${target}/`)) {
    usage(`${target} hides the file of --keep.`, 'Name a file outside it.');
  }
  const place = address.place === null ? null : absolutePlace(address.place);
  if (place !== null && `${resolve(place.replace(/^[a-z+]+:/, ''))}/`.startsWith(`${target}/`)) {
    usage(`${target} holds the set itself, which the mount would hide.`, 'Name another folder.');
  }
  const folder = await makeMountFolder(context.world.environment);
  let state: MountState = {
    version: 1,
    target,
    place,
    set: address.set,
    volume: address.volume,
    writable: options.writable === true,
    server: null,
    device: null,
    how: null,
    keep,
    since: new Date().toISOString(),
  };
  const save = async (more: Partial<MountState>): Promise<void> => {
    state = { ...state, ...more };
    await saveState(folder, state);
  };
  try {
    await save({});
    const { overlay, memory, changer, buffer, waitForCartridge, chainAt } = options;
    const named = address.volume === null ? address.set : `${address.set}/${address.volume}`;
    await saveRequest(folder, {
      words: place === null ? [named] : [place, named],
      writable: state.writable,
      ...(keep === null ? {} : { keep }),
      memory,
      overlay,
      ...(changer === undefined ? {} : { changer }),
      ...(buffer === undefined ? {} : { buffer }),
      ...(waitForCartridge === undefined ? {} : { waitForCartridge }),
      ...(chainAt === undefined ? {} : { chainAt: chainAt.map(absolutePlace) }),
    });
    const { identity } = await startBackground({
      ...ownCommand(['--quiet', 'mount-server', folder]),
      log: logIn(folder),
      env: definedOf(context.world.environment),
    });
    await save({ server: identity });
    const served = await whenServed(context, folder, identity);
    const writable = state.writable || served.replay;
    const attached = await attachNbd(socketIn(folder), { readOnly: !writable });
    await save({ device: attached.path, how: attached.how });
    context.signal.throwIfAborted();
    const face = state.writable ? 'writable' : served.replay ? 'replayed' : 'untouched';
    await mountVolume(attached.path, target, { filesystem: served.filesystem, face });
    if (readsThroughDeviceCache(served.filesystem)) {
      // Only the first listing is slower without it.
      await fillDeviceCache(attached.path, (await atHandIn(folder)) ?? []).catch(() => {});
    }
    report(context, state, served);
  } catch (error) {
    await clearMount({ folder, state, served: null, condition: 'starting' }, true).catch(() => {});
    throw error;
  }
}

function definedOf(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

const lookEvery = 25;

/** Waits until the server serves. Throws what made it fail, and `server-failed` where it does not say. */
async function whenServed(context: Context, folder: string, server: ProcessIdentity): Promise<ServedVolume> {
  for (;;) {
    context.signal.throwIfAborted();
    const running = await isRunning(server);
    const served = await servedIn(folder);
    if (served !== null) return served;
    if (!running) break;
    await delay(lookEvery);
  }
  const failure = await failureIn(folder);
  if (failure !== null && isCode(failure.code)) {
    const { code, message, hint, facts } = failure;
    throw new RemetalError(code, message, { ...(hint === null ? {} : { hint }), facts });
  }
  throw new RemetalError('server-failed', 'The server of the volume has ended before it served anything.', {
    hint: 'Try `remetal serve` with the same set, which says more.',
    facts: { log: join(folder, 'log') },
  });
}

function isCode(code: string): code is ErrorCode {
  return code in codes;
}

function report(context: Context, state: MountState, served: ServedVolume): void {
  const { target, writable, how, device, keep } = state;
  const { set, name, filesystem, replay, controlBytes, seconds, movements } = served;
  const moved =
    movements === null
      ? ''
      : `, ${movements.loads} cartridges made ready, ${movements.repositionings} repositionings`;
  const lines = [
    `${target}: ${name} of ${set} (${filesystem}), ${writable ? (keep === null ? 'writable, for nothing' : `writable, kept in ${keep}`) : 'read-only'}, ${device ?? ''} by ${how ?? ''}`,
    `control set ${formatBytes(controlBytes)} read, ready in ${formatDuration(seconds)}${moved}`,
    ...(replay ? ['Its journal was replayed into memory.'] : []),
  ];
  context.output.result(
    { verb: 'mount', folder: target, writable, keep, device, how, ...served },
    `${lines.map(shown).join('\n')}\n`,
  );
}
