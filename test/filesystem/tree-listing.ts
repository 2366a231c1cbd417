import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync, type BigIntStats } from 'node:fs';
import { join } from 'node:path';
import { isCoded } from '../../src/errors/index.ts';
import type { BlockDevice } from '../../src/disk/block-device.ts';
import {
  detect,
  type FileTree,
  type Moment,
  type TreeFile,
  type WalkOptions,
} from '../../src/filesystem/index.ts';
import { readBytes } from '../../src/filesystem/reading.ts';

/** What a tree and a mounted volume are compared by. */
export interface Listed {
  readonly kind: string;
  readonly mode: string | null;
  readonly owner: string | null;
  readonly links: number;
  readonly size: number;
  readonly modified: string | null;
  readonly accessed: string | null;
  readonly changed: string | null;
  readonly created: string | null;
  readonly device: string | null;
  /** Target of a link, hash of the content of a file. */
  readonly holds: string | null;
  readonly attributes: Readonly<Record<string, string>>;
  /** All names of the file, first name only. */
  readonly same: string;
}

const text = (moment: Moment | null): string | null =>
  moment === null ? null : String(BigInt(moment.seconds) * 1_000_000_000n + BigInt(moment.nanoseconds));

/** The content of a file by its runs: what no run covers is zeros, and no run may go back. */
export async function contentByRuns(volume: BlockDevice, tree: FileTree, file: TreeFile): Promise<Buffer> {
  const out = Buffer.alloc(file.size);
  let at = 0;
  for await (const { offset, length, start, inline } of tree.runs(file)) {
    if (offset < at || length <= 0 || offset + length > file.size)
      throw new Error(`${file.path}: a run at ${offset}`);
    at = offset + length;
    if (inline !== undefined) inline.copy(out, offset);
    if (start === null) continue;
    for (let done = 0; done < length; done += 1024 * 1024) {
      (await readBytes(volume, start + done, Math.min(1024 * 1024, length - done))).copy(out, offset + done);
    }
  }
  return out;
}

const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** The tree of the file system on a volume. */
export async function treeOn(volume: BlockDevice): Promise<FileTree> {
  const tree = await (await detect(volume))?.tree?.();
  if (tree === undefined) throw new Error(`${volume.name} holds no file system with a tree`);
  return tree;
}

/** All that a walk gives. */
export async function walked(tree: FileTree, options: WalkOptions = {}): Promise<TreeFile[]> {
  const out: TreeFile[] = [];
  for await (const file of tree.walk(options)) out.push(file);
  return out;
}

/** Everything our own reader tells of a volume, by path (latin1, so that any bytes are one). */
export async function listedByTree(volume: BlockDevice, tree: FileTree): Promise<Map<string, Listed>> {
  const out = new Map<string, Listed>();
  const first = new Map<number, string>();
  for await (const file of tree.walk()) {
    const path = (file.rawPath ?? Buffer.from(file.path)).toString('latin1');
    const attributes: Record<string, string> = {};
    for (const { name, value } of await tree.attributes(file)) attributes[name] = value.toString('hex');
    let holds: string | null = null;
    if (file.kind === 'link') holds = (await tree.target(file)).toString('latin1');
    if (file.kind === 'file') holds = hash(await contentByRuns(volume, tree, file));
    if (out.has(path)) throw new Error(`${path} was told twice`);
    if (!first.has(file.id)) first.set(file.id, path);
    out.set(path, {
      kind: file.kind,
      mode: file.mode?.toString(8) ?? null,
      owner: file.owner === null ? null : `${file.owner.user}:${file.owner.group}`,
      links: file.links,
      size: file.size,
      modified: text(file.modified),
      accessed: text(file.accessed),
      changed: text(file.changed),
      created: text(file.created),
      device: file.device === null ? null : `${file.device.major}:${file.device.minor}`,
      holds,
      attributes,
      same: first.get(file.id) ?? '',
    });
  }
  return sameNamed(out);
}

/** All names of one file get the first of them in order. */
function sameNamed(listed: Map<string, Listed>): Map<string, Listed> {
  const least = new Map<string, string>();
  for (const [path, { same }] of listed) {
    const known = least.get(same);
    if (known === undefined || path < known) least.set(same, path);
  }
  const sorted = [...listed].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return new Map(sorted.map(([path, each]) => [path, { ...each, same: least.get(each.same) ?? '' }]));
}

function kindOf(stat: BigIntStats): string {
  if (stat.isDirectory()) return 'directory';
  if (stat.isSymbolicLink()) return 'link';
  if (stat.isFIFO()) return 'fifo';
  if (stat.isSocket()) return 'socket';
  if (stat.isCharacterDevice()) return 'character';
  return stat.isBlockDevice() ? 'block' : 'file';
}

/** Attributes of everything below `folder`, by path, as getfattr prints them in hex. */
function attributesBelow(folder: string): Map<string, Record<string, string>> {
  const printed = execFileSync(
    'getfattr',
    ['-R', '-P', '-h', '-d', '-m', '-', '-e', 'hex', '--absolute-names', folder],
    {
      maxBuffer: 256 * 1024 * 1024,
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  ).toString('latin1');
  const out = new Map<string, Record<string, string>>();
  let current: Record<string, string> = {};
  for (const line of printed.split('\n')) {
    if (line.startsWith('# file: ')) {
      const path = line
        .slice(8)
        .replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
      out.set(path, (current = {}));
      continue;
    }
    const at = line.indexOf('=');
    if (at > 0) current[line.slice(0, at)] = line.slice(at + 3);
    else if (line !== '') current[line] = '';
  }
  return out;
}

/** The same as `listedByTree` for a mounted volume, by the kernel. */
export function listedByKernel(folder: string): Map<string, Listed> {
  const out = new Map<string, Listed>();
  const first = new Map<bigint, string>();
  const attributes = attributesBelow(folder);
  const visit = (path: string): void => {
    const at = Buffer.from(folder + path, 'latin1');
    const stat = lstatSync(at, { bigint: true });
    const kind = kindOf(stat);
    const told = path === '' ? '/' : path;
    if (!first.has(stat.ino)) first.set(stat.ino, told);
    const sized = kind === 'file' || kind === 'link';
    const node = kind === 'character' || kind === 'block';
    let holds: string | null = null;
    if (kind === 'link') holds = readlinkSync(at, 'latin1');
    if (kind === 'file') holds = hash(readFileSync(at));
    out.set(told, {
      kind,
      mode: (stat.mode & 0o7777n).toString(8),
      owner: `${stat.uid}:${stat.gid}`,
      links: Number(stat.nlink),
      size: sized ? Number(stat.size) : 0,
      modified: String(stat.mtimeNs),
      accessed: String(stat.atimeNs),
      changed: String(stat.ctimeNs),
      created: String(stat.birthtimeNs),
      device: node ? `${majorOf(stat.rdev)}:${minorOf(stat.rdev)}` : null,
      holds,
      attributes: attributes.get(folder + path) ?? {},
      same: first.get(stat.ino) ?? '',
    });
    if (kind !== 'directory') return;
    for (const name of readdirSync(at, { encoding: 'latin1' })) visit(join(told, name));
  };
  visit('');
  return sameNamed(out);
}

/* Device numbers as the C library packs them (makedev(3)). */
const majorOf = (rdev: bigint): bigint => ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n);
const minorOf = (rdev: bigint): bigint => (rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n);

async function survived(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isCoded(error, 'filesystem-damaged', 'disk-read-failed')) throw error;
  }
}

/**
 * Asks everything a tree can be asked of a volume that may hold anything: it has to end, and no error may be
 * without a code.
 */
export async function survivesAll(volume: BlockDevice): Promise<void> {
  const filesystem = await detect(volume);
  if (filesystem?.tree === undefined) return;
  await survived(async () => {
    const tree = await filesystem.tree?.();
    if (tree === undefined) return;
    for await (const file of tree.walk({ onLost: () => {} })) {
      await survived(() => tree.attributes(file));
      if (file.kind === 'link') await survived(() => tree.target(file));
      await survived(() => checkRuns(tree, file));
    }
  });
}

async function checkRuns(tree: FileTree, file: TreeFile): Promise<void> {
  let at = 0;
  for await (const { offset, length } of tree.runs(file)) {
    if (offset < at || length <= 0 || offset + length > file.size) throw new Error('a run leaves its file');
    at = offset + length;
  }
}
