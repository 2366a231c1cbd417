import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { Extent } from '../bytes/index.ts';
import { RemetalError, systemCode } from '../errors/index.ts';
import {
  clearAttached,
  endProcess,
  isRunning,
  mounts,
  runFolder,
  signalled,
  unmountVolume,
  type ProcessIdentity,
} from '../system/index.ts';

const processSchema = z.object({ pid: z.number().int(), startTime: z.string() });

/** What is kept of a mounted volume, so that any later process can show it and take it away. */
const mountStateSchema = z.object({
  version: z.literal(1),
  /** Where it is mounted, absolute. */
  target: z.string(),
  place: z.string().nullable(),
  set: z.string(),
  /** As the person named it; null where the set holds one only. */
  volume: z.string().nullable(),
  writable: z.boolean(),
  server: processSchema.nullable(),
  /** The block device and the way it is attached; null before. */
  device: z.string().nullable(),
  how: z.enum(['nbd', 'nbdfuse', 'fuse']).nullable(),
  /** The file that what is written goes to in the end, absolute; null where it is thrown away. */
  keep: z.string().nullable().default(null),
  /** ISO 8601, UTC. */
  since: z.string(),
});
export type MountState = z.infer<typeof mountStateSchema>;

/** What the server of a mounted volume says of itself once it serves. */
const servedSchema = z.object({
  set: z.string(),
  volume: z.string(),
  name: z.string(),
  filesystem: z.string(),
  size: z.number(),
  /** The journal has to be replayed, and goes into an overlay. */
  replay: z.boolean(),
  /** Plain bytes of the control set. */
  controlBytes: z.number(),
  seconds: z.number(),
  /** What the medium had to be moved for it; null where it is none that moves. */
  movements: z.object({ loads: z.number(), repositionings: z.number() }).nullable(),
});
export type ServedVolume = z.infer<typeof servedSchema>;

/** Extents of the volume that the server has in memory, sorted: what fills the kernel's cache of the device. */
const atHandSchema = z.array(z.object({ start: z.number(), length: z.number() }));

/** What the server was asked for, and how it failed: words for the command that waits for it. */
const requestSchema = z.object({
  words: z.array(z.string()),
  writable: z.boolean(),
  memory: z.number(),
  overlay: z.number(),
  changer: z.string().optional(),
  buffer: z.number().optional(),
  waitForCartridge: z.number().optional(),
  chainAt: z.array(z.string()).optional(),
  keep: z.string().optional(),
});
export type ServerRequest = z.infer<typeof requestSchema>;

const failureSchema = z.object({
  code: z.string(),
  message: z.string(),
  hint: z.string().nullable(),
  facts: z.record(z.string(), z.unknown()),
});
export type ServerFailure = z.infer<typeof failureSchema>;

/** What the server answers when it was asked to keep what was written: the file, or why not. */
const keptSchema = z.object({ path: z.string().nullable(), failure: failureSchema.nullable() });
export type Kept = z.infer<typeof keptSchema>;

const mountsFolder = (
  environment: NodeJS.ProcessEnv | Readonly<Record<string, string | undefined>>,
): string => join(runFolder(environment), 'mounts');

/** A folder of its own for a mount that is about to be made; nobody else may look into it. */
export async function makeMountFolder(
  environment: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const folder = join(mountsFolder(environment), randomUUID().slice(0, 8));
  await mkdir(mountsFolder(environment), { recursive: true, mode: 0o700 });
  await mkdir(folder, { mode: 0o700 });
  return folder;
}

const fileNames = {
  state: 'state.json',
  served: 'served.json',
  request: 'request.json',
  failure: 'failure.json',
  atHand: 'at-hand.json',
  kept: 'kept.json',
};

/** Where the server listens, and the file of what it says. */
export const socketIn = (folder: string): string => join(folder, 'nbd.sock');
export const logIn = (folder: string): string => join(folder, 'log');

async function write(path: string, document: unknown): Promise<void> {
  const fresh = `${path}.new`;
  await writeFile(fresh, `${JSON.stringify(document, null, 2)}\n`, { mode: 0o600 });
  await rename(fresh, path);
}

async function read<T>(path: string, schema: z.ZodType<T>): Promise<T | null> {
  try {
    const found = schema.safeParse(JSON.parse(await readFile(path, 'utf8')));
    return found.success ? found.data : null;
  } catch (error) {
    if (error instanceof SyntaxError || systemCode(error) === 'ENOENT') return null;
    throw error;
  }
}

export const saveState = (folder: string, state: MountState): Promise<void> =>
  write(join(folder, fileNames.state), state);
export const saveServed = (folder: string, served: ServedVolume): Promise<void> =>
  write(join(folder, fileNames.served), served);
export const saveRequest = (folder: string, request: ServerRequest): Promise<void> =>
  write(join(folder, fileNames.request), request);
export const saveFailure = (folder: string, failure: ServerFailure): Promise<void> =>
  write(join(folder, fileNames.failure), failure);
export const saveKept = (folder: string, kept: Kept): Promise<void> =>
  write(join(folder, fileNames.kept), kept);
/** Kept before `saveServed`. */
export const saveAtHand = (folder: string, extents: readonly Extent[]): Promise<void> =>
  write(join(folder, fileNames.atHand), extents);
/** Null where it says nothing yet. */
export const servedIn = (folder: string): Promise<ServedVolume | null> =>
  read(join(folder, fileNames.served), servedSchema);
export const requestIn = (folder: string): Promise<ServerRequest | null> =>
  read(join(folder, fileNames.request), requestSchema);
export const atHandIn = (folder: string): Promise<Extent[] | null> =>
  read(join(folder, fileNames.atHand), atHandSchema);
export const failureIn = (folder: string): Promise<ServerFailure | null> =>
  read(join(folder, fileNames.failure), failureSchema);

/** The last warnings of the server's log. */
export async function warningsIn(folder: string): Promise<string[]> {
  const text = await readFile(logIn(folder), 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter((line) => line.startsWith('warning: '))
    .slice(-10);
}

/** A mount that was made or was being made. */
export interface KnownMount {
  /** Its folder in the run folder. */
  readonly folder: string;
  readonly state: MountState;
  readonly served: ServedVolume | null;
  /**
   * `starting` before it is mounted; `unmounted` where somebody took the mount away and nothing else; `dead` where the
   * server is gone.
   */
  readonly condition: 'mounted' | 'starting' | 'unmounted' | 'dead';
}

/** True where the volume itself is mounted, and not something else in the same place. */
async function isShown({ target, device }: MountState): Promise<boolean> {
  return (await mounts()).some(({ mountPoint, source }) => mountPoint === target && source === device);
}

async function conditionOf(state: MountState): Promise<KnownMount['condition']> {
  if (state.server !== null && !(await isRunning(state.server))) return 'dead';
  if (state.device === null) return 'starting';
  return (await isShown(state)) ? 'mounted' : 'unmounted';
}

/** Every mount there is, the oldest first. Looks into no mounted folder. */
export async function knownMounts(
  environment: Readonly<Record<string, string | undefined>>,
): Promise<KnownMount[]> {
  const top = mountsFolder(environment);
  const names = await readdir(top).catch((): string[] => []);
  const found: KnownMount[] = [];
  for (const name of names) {
    const folder = join(top, name);
    const state = await read(join(folder, fileNames.state), mountStateSchema);
    if (state === null) continue;
    const condition = await conditionOf(state);
    found.push({ folder, state, served: await servedIn(folder), condition });
  }
  return found.toSorted((a, b) => (a.state.since < b.state.since ? -1 : 1));
}

const patience = 10_000;

/** The signal that asks a server to keep what was written; it answers by `saveKept`. */
export const keepSignal = 'SIGUSR2';
const lookEvery = 25;

/** Has the server keep what was written, once nothing more is written. Throws why it could not. */
async function keptBy(folder: string, server: ProcessIdentity): Promise<string> {
  const answer = join(folder, fileNames.kept);
  await rm(answer, { force: true });
  await signalled(server, keepSignal);
  for (;;) {
    const isAlive = await isRunning(server);
    const kept = await read(answer, keptSchema);
    if (kept !== null && kept.path !== null) return kept.path;
    if (kept !== null || !isAlive) {
      const why = kept?.failure?.message ?? 'The server has ended before it was kept.';
      throw new RemetalError('overlay-unusable', `What was written is not kept: ${why}`, {
        hint: isAlive
          ? 'It is still held in memory: see to it that the file can be written and unmount again, or throw it away with --force.'
          : 'It is lost.',
        facts: kept?.failure?.facts ?? {},
      });
    }
    await delay(lookEvery);
  }
}

/**
 * Takes a mount away: the file system, the device, the server, the folder. Where the server is gone, or with
 * `force`, also what somebody still uses. Gives the file that what was written is kept in, where it was to be.
 * Throws `mount-failed` where it is in use, `overlay-unusable` where what was written cannot be kept.
 */
export async function clearMount({ folder, state }: KnownMount, force: boolean): Promise<string | null> {
  const { server, target, keep } = state;
  const alive = server !== null && (await isRunning(server));
  if (force && alive) await endProcess(server, patience);
  if (await isShown(state)) {
    await unmountVolume(target).catch(async (error: unknown) => {
      if (alive && !force) throw error;
      await unmountVolume(target, { lazy: true });
    });
  }
  await clearAttached(folder);
  const kept = keep !== null && server !== null && alive && !force ? await keptBy(folder, server) : null;
  if (server !== null) await endProcess(server, patience);
  await rm(folder, { recursive: true, force: true });
  return kept;
}
