import type { SetReader } from '../archive/index.ts';
import { isCoded, RemetalError } from '../errors/index.ts';
import { detectKnown, needsReplay, type FileSystem } from '../filesystem/index.ts';
import { openNetwareVolume, type NameSpace } from '../filesystem/netware/index.ts';
import type { Volume } from '../layout/index.ts';
import { controlOnly } from '../mount/control-only.ts';
import { mountedTree, type VolumeTree } from '../mount/extract/index.ts';
import { withMountedVolume } from '../mount/mounted-volume.ts';
import type { SetVolume } from '../mount/set-volume.ts';
import { netwareVolumes } from '../restore/plan-netware.ts';
import { isVolumeMountable } from '../system/index.ts';
import { usage, type Context } from './context.ts';
import { leftOut } from './extract-netware.ts';
import { netwareTree, type Remark } from './netware-tree.ts';

/** The files of a volume of a set. */
export interface OpenedTree {
  readonly tree: VolumeTree;
  /** By our own reader, or through a mount. */
  readonly how: 'reader' | 'mount';
  /** What is to be said of files that were written, by their paths. */
  readonly remarks: ReadonlyMap<string, Remark>;
}

export interface TreeRequest {
  readonly device: SetVolume;
  readonly reader: SetReader;
  readonly described: Volume;
  readonly options: { readonly deleted?: boolean; readonly names: NameSpace; readonly damaged?: boolean };
}

/* File systems whose owners and permissions the mount makes up. */
const ownerless = ['fat12', 'fat16', 'fat32', 'exfat', 'ntfs'];
const isRoot = (): boolean => process.getuid?.() === 0;

/**
 * Opens the files of a volume while `work` runs: by our own reader where there is one, else through a mount, which
 * takes root. A journal that was not replayed is replayed there, into a throw-away overlay. Throws
 * `not-permitted`, `mount-failed`, `deleted-left-out`, `volume-not-found`.
 */
export async function withVolumeTree<T>(
  context: Context,
  request: TreeRequest,
  work: (opened: OpenedTree) => Promise<T>,
): Promise<T> {
  const { device, described, options } = request;
  if (described.kind === 'netware') return await work(await openNetware(request));
  if (options.deleted === true) usage('--deleted is for NetWare volumes.');
  const filesystem = await detectKnown(device, described.filesystem?.type);
  const tree = (await filesystem?.tree?.()) ?? null;
  const own = (): Promise<T> => work({ tree: tree!, how: 'reader', remarks: new Map() });
  if (tree !== null && tree.pending === null) return await own();
  if (filesystem === null || (tree === null && !isVolumeMountable(filesystem.facts.type))) {
    throw new RemetalError(
      'volume-not-found',
      `Volume ${described.name} holds no file system whose files are known.`,
      {
        hint: '`remetal show` tells what it holds; `remetal restore` brings it back whole.',
        facts: { volume: described.id, filesystem: filesystem?.facts.type ?? null },
      },
    );
  }
  if (!isRoot()) {
    if (tree !== null) {
      warn(context, tree.pending);
      return await own();
    }
    throw new RemetalError(
      'not-permitted',
      `The files of ${described.name} (${filesystem.facts.type}) are read through a mount, which takes root.`,
      {
        hint: 'Run the command as root.',
        facts: { volume: described.id, filesystem: filesystem.facts.type },
      },
    );
  }
  const mounting = { started: false };
  try {
    return await throughMount(context, device, filesystem, async (opened) => {
      mounting.started = true;
      return await work(opened);
    });
  } catch (error) {
    if (tree === null || mounting.started || !isCoded(error, 'mount-failed')) throw error;
    warn(context, tree.pending);
    return await own();
  }
}

async function throughMount<T>(
  context: Context,
  device: SetVolume,
  filesystem: FileSystem,
  work: (opened: OpenedTree) => Promise<T>,
): Promise<T> {
  const { type } = filesystem.facts;
  const replay = await needsReplay(device, type);
  const { signal } = context;
  return await withMountedVolume(device, { filesystem: type, replay, signal }, async (root) => {
    const tree = mountedTree(root, {
      hasOwners: !ownerless.includes(type),
      // The journal of an ext may hold contents of files too: then they lie in the overlay.
      hasPlaces: !(replay && type.startsWith('ext')),
    });
    return await work({ tree, how: 'mount', remarks: new Map() });
  });
}

async function openNetware({ device, reader, described, options }: TreeRequest): Promise<OpenedTree> {
  const known = netwareVolumes(reader.layout).find(({ volume }) => volume.id === described.id);
  if (known === undefined) {
    throw new RemetalError('volume-not-found', `The set ${reader.name} does not describe ${described.id}.`);
  }
  const { name } = known.found.definition;
  if (options.deleted === true && known.leavesOutDeleted) throw leftOut(name);
  // Second copies of its structures are no part of the control set: trying them would move the medium.
  const control = controlOnly(device, reader.index(described.id));
  const filesystem = await openNetwareVolume(control, known.found.definition);
  const { tree, remarks } = netwareTree(filesystem, {
    deleted: options.deleted === true,
    names: options.names,
    damaged: options.damaged === true,
  });
  return { tree, how: 'reader', remarks };
}

function warn(context: Context, pending: string | null): void {
  if (pending === null) return;
  context.tell({ level: 'warning', code: 'journal-pending', message: pending });
}
