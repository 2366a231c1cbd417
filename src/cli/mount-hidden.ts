import { KeptFile, overlay, type BlockDevice, type Overlay } from '../disk/index.ts';
import { needsReplay } from '../filesystem/index.ts';
import { setVolume } from '../mount/index.ts';
import {
  keepSignal,
  requestIn,
  saveAtHand,
  saveFailure,
  saveKept,
  saveServed,
  socketIn,
  type ServerRequest,
} from '../mount/mount-state.ts';
import { spillFolder } from '../mount/mounted-volume.ts';
import { serveNbd } from '../mount/nbd/index.ts';
import { fuseFile, isVolumeMountable } from '../system/index.ts';
import { isCoded, RemetalError } from '../errors/index.ts';
import { withAddressedVolume, type AddressedVolume } from './address.ts';
import { usage, type Context, type Verb } from './context.ts';
import { outcomeOf } from './outcome.ts';

/** Run by the program itself where it shows a volume as a file without the help of nbdfuse. */
export const fuseFileVerb: Verb = (program, act) => {
  program
    .command('fuse-file', { hidden: true })
    .argument('<socket>')
    .argument('<export>')
    .argument('<file>')
    .option('--readonly')
    .requiredOption('--pid-file <path>')
    .action(act(showFile));
};

async function showFile(
  _context: Context,
  socket: string,
  name: string,
  file: string,
  options: { readonly readonly?: boolean; readonly pidFile: string },
): Promise<void> {
  const { pidFile } = options;
  await fuseFile({ socket, export: name, file, readOnly: options.readonly === true, pidFile });
}

/** Run by `remetal mount` in the background: serves the volume until it is told to end. */
export const mountServerVerb: Verb = (program, act) => {
  program.command('mount-server', { hidden: true }).argument('<folder>').action(act(mountServer));
};

async function mountServer(context: Context, folder: string): Promise<void> {
  const request = await requestIn(folder);
  if (request === null) return usage(`${folder} asks for no volume.`);
  const began = performance.now();
  try {
    const { changer, buffer, waitForCartridge, chainAt } = request;
    const tape = {
      ...(changer === undefined ? {} : { changer }),
      ...(buffer === undefined ? {} : { buffer }),
      ...(waitForCartridge === undefined ? {} : { waitForCartridge }),
      ...(chainAt === undefined ? {} : { chainAt }),
    };
    await withAddressedVolume(context, request.words, tape, (at) =>
      serve(context, folder, request, at, began),
    );
  } catch (error) {
    const { code, message, hint, facts } = outcomeOf(error, context.signal);
    await saveFailure(folder, { code, message, hint, facts });
    throw error;
  }
}

async function serve(
  context: Context,
  folder: string,
  { writable, memory, overlay: most, keep }: ServerRequest,
  { reader, volume, described, medium }: AddressedVolume,
  began: number,
): Promise<void> {
  const { filesystem, name } = described;
  if (filesystem === null || !isVolumeMountable(filesystem.type)) {
    throw new RemetalError('mount-failed', `The volume ${name} holds nothing that could be mounted.`, {
      hint: 'Its files, where it holds any, are shown by: remetal files',
      facts: { volume, filesystem: filesystem?.type ?? described.kind },
    });
  }
  const below = setVolume(reader, volume, { memoryBytes: memory, folder: spillFolder });
  const opened: BlockDevice[] = [below];
  const { setId } = reader.head;
  let stopKeeping: (() => void) | null = null;
  try {
    const owner = { setId, set: reader.name, volume, size: below.size };
    const kept = keep === undefined ? null : await KeptFile.open(keep, owner);
    await below.loadControl();
    const replay = await needsReplay(below, filesystem.type);
    let device: BlockDevice = below;
    if (writable || replay) {
      const over = await overlay(below, { folder: spillFolder, memoryBytes: memory, mostBytes: most });
      opened.push(over);
      await kept?.load(over);
      if (kept !== null) stopKeeping = keepWhenAsked(folder, kept, over);
      device = over;
    }
    const server = await serveNbd({
      exports: [{ name: '', description: name, device: told(context, device), readOnly: device === below }],
      listen: { socket: socketIn(folder) },
      tell: () => {},
    });
    try {
      await saveAtHand(folder, below.controlAtHand());
      await saveServed(folder, {
        set: reader.name,
        volume,
        name,
        filesystem: filesystem.type,
        size: below.size,
        replay,
        controlBytes: reader.maps.get(volume)?.control.reduce((sum, { length }) => sum + length, 0) ?? 0,
        seconds: (performance.now() - began) / 1000,
        movements: medium.movements?.() ?? null,
      });
      await stopped(context.signal);
    } finally {
      await server.close();
    }
  } finally {
    stopKeeping?.();
    for (const device of opened.toReversed()) await device.close();
  }
}

/** Keeps what was written whenever `remetal umount` asks for it, and answers it; gives what ends that. */
function keepWhenAsked(folder: string, kept: KeptFile, over: Overlay): () => void {
  const answered = async (): Promise<void> => {
    const answer = await kept.save(over).then(
      (path) => ({ path, failure: null }),
      (error: unknown) => {
        const { code, message, hint, facts } = outcomeOf(error);
        return { path: null, failure: { code, message, hint, facts } };
      },
    );
    await saveKept(folder, answer);
  };
  const asked = (): void => void answered();
  process.on(keepSignal, asked);
  return () => process.off(keepSignal, asked);
}

/** What cannot be read or written is in the log, each kind of failure once. */
function told(context: Context, device: BlockDevice): BlockDevice {
  const said = new Set<string>();
  const tell = (error: unknown): never => {
    const message = isCoded(error)
      ? [error.message, isCoded(error.cause) ? error.cause.message : ''].join(' ').trim()
      : String(error);
    const inner = isCoded(error) ? error.facts['code'] : null;
    const code = typeof inner === 'string' ? inner : isCoded(error) ? error.code : 'internal';
    if (!said.has(code)) context.tell({ level: 'warning', code, message });
    said.add(code);
    throw error;
  };
  return {
    name: device.name,
    size: device.size,
    sectorSize: device.sectorSize,
    read: (target, offset) => device.read(target, offset).catch(tell),
    write: (source, offset) => device.write(source, offset).catch(tell),
    writeZeroes: (offset, length) => device.writeZeroes(offset, length).catch(tell),
    discard: (offset, length) => device.discard(offset, length).catch(tell),
    flush: () => device.flush(),
    close: () => Promise.resolve(),
    ...(device.dataExtents === undefined
      ? {}
      : { dataExtents: async () => (await device.dataExtents?.()) ?? [] }),
  };
}

async function stopped(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((done) => {
    signal.addEventListener('abort', () => done(), { once: true });
  });
}
