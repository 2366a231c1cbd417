import { isUtf8 } from 'node:buffer';
import type { Extent } from '../../bytes/extents.ts';
import type { BlockDevice } from '../../disk/block-device.ts';
import { isCoded, RemetalError } from '../../errors/index.ts';
import type { ExtendedAttribute, FileRun, FileTree, TreeFile, WalkOptions } from '../file-tree.ts';
import { largestRead, readBytes } from '../reading.ts';
import { walkTree, type Loaded, type NamedEntry, type Walkable } from '../walk-tree.ts';
import { attributesOf } from './attributes.ts';
import { entriesOf, type DirectoryEntry } from './directory.ts';
import { readGroups } from './groups.ts';
import {
  beginWalk,
  inlineRest,
  inodeBlocks,
  inodeFlags,
  rootInode,
  type ExtInode,
  type ExtVolume,
} from './inode.ts';
import { InodeTable } from './inode-table.ts';
import { replayOf, type Replay } from './journal.ts';
import { damaged, mappedBlocks } from './mapping.ts';
import { fileOf } from './record.ts';
import { ReplayedVolume } from './replayed.ts';
import {
  has,
  parseSuperblock,
  superblockLength,
  superblockOffset,
  type ExtSuperblock,
} from './superblock.ts';

/** Names of a directory that are put in order together: those of as many bytes. */
const batchBytes = 1024 * 1024;
/** No link is longer than a path may be (PATH_MAX); inline and encrypted ones are not longer either. */
const longestTarget = 65_536;

const pendingText =
  'The file system was in use: the newest changes lie in its journal, which was not replayed.';

/**
 * The files of an ext2, ext3 or ext4. A journal that was not replayed is replayed in memory, so that the newest state is
 * told; where that cannot be done `pending` says why, and the state without it is told. Names of encrypted directories come as their bytes in base64url,
 * contents of encrypted files as they are stored; `more.flags` holds an E then.
 *
 * @throws `filesystem-damaged` where the superblock makes no sense, `disk-read-failed`.
 */
export async function extTree(volume: BlockDevice, sb: ExtSuperblock): Promise<FileTree> {
  if (sb.unreadable !== null) throw new RemetalError('filesystem-damaged', sb.unreadable);
  const context = beginWalk(volume, sb, await readGroups(volume, sb, true));
  if (!sb.needsRecovery) return new ExtTree(context, { replayed: null, pending: null, journal: [] });
  const { replay, journal } = await recovery(context);
  if (replay.problem !== null) {
    const pending = `${pendingText} ${replay.problem}.`;
    return new ExtTree(context, { replayed: null, pending, journal });
  }
  const replayed = new ReplayedVolume(volume, sb.blockSize, replay);
  const device = replayed.device();
  // The journal may hold the superblock and the descriptors too.
  const newer = parseSuperblock(await readBytes(device, superblockOffset, superblockLength)) ?? sb;
  if (newer.unreadable !== null) throw new RemetalError('filesystem-damaged', newer.unreadable);
  const now = beginWalk(device, newer, await readGroups(device, newer, true));
  return new ExtTree(now, { replayed, pending: null, journal });
}

/** What replaying would come to, and where the journal lies. */
async function recovery(context: ExtVolume): Promise<{ replay: Replay; journal: Extent[] }> {
  const { blockSize, journalInode } = context.sb;
  const journal: Extent[] = [];
  const none = (problem: string): { replay: Replay; journal: Extent[] } => ({
    replay: { blocks: new Map(), problem },
    journal,
  });
  if (journalInode === 0) return none('The journal lies on a device of its own');
  try {
    const inode = await new InodeTable(context).inode(journalInode);
    for await (const { start, length } of mappedBlocks(context, inode)) {
      if (start !== null) journal.push({ start: start * blockSize, length: length * blockSize });
    }
    return { replay: await replayOf(context, inode), journal };
  } catch (error) {
    if (!isCoded(error, 'filesystem-damaged', 'disk-read-failed')) throw error;
    return none(error.message.replace(/\.$/, ''));
  }
}

/** Whether the journal was replayed, and if not, why. */
interface Recovery {
  readonly replayed: ReplayedVolume | null;
  readonly pending: string | null;
  readonly journal: readonly Extent[];
}

class ExtTree implements FileTree {
  readonly pending: string | null;
  readonly journal: readonly Extent[];
  readonly #context: ExtVolume;
  readonly #table: InodeTable;
  readonly #replayed: ReplayedVolume | null;

  constructor(context: ExtVolume, { replayed, pending, journal }: Recovery) {
    this.#context = context;
    this.#table = new InodeTable(context);
    this.#replayed = replayed;
    this.pending = pending;
    this.journal = journal;
  }

  walk(options?: WalkOptions): AsyncGenerator<TreeFile> {
    // Each walk may read the blocks of the directories anew.
    return walkTree(new Directories({ ...this.#context }, this.#table), options);
  }

  async *runs(file: TreeFile): AsyncGenerator<FileRun> {
    if (file.kind !== 'file') return;
    for await (const run of runsOf(this.#context, await this.#table.inode(file.id))) {
      if (run.start === null || this.#replayed === null) yield run;
      else yield* newest(this.#replayed, run, this.#context.sb.blockSize);
    }
  }

  async target(file: TreeFile): Promise<Buffer> {
    const inode = await this.#table.inode(file.id);
    if (inode.type !== 'symlink') throw damaged(inode, 'it is no symbolic link');
    if (inode.size > longestTarget) throw damaged(inode, 'its target is longer than a path can be');
    const short = inode.size < 60 && !has(inode.flags, inodeFlags.extents | inodeFlags.inlineData);
    if (short) return Buffer.from(inodeBlocks(inode).subarray(0, inode.size));
    return await contentOf(this.#context, inode);
  }

  async attributes(file: TreeFile): Promise<readonly ExtendedAttribute[]> {
    return await attributesOf(this.#context, await this.#table.inode(file.id), async (number, length) => {
      const holder = await this.#table.inode(number);
      const sound = has(holder.flags, inodeFlags.attributeValue) && holder.size === length;
      if (!sound) throw damaged(holder, 'it is not the value of an extended attribute');
      return await contentOf(this.#context, holder);
    });
  }
}

/** Where the content of a file lies, up to its size. */
async function* runsOf(context: ExtVolume, inode: ExtInode): AsyncGenerator<FileRun> {
  const { size } = inode;
  const { blockSize } = context.sb;
  if (has(inode.flags, inodeFlags.inlineData)) {
    const inline = Buffer.concat([inodeBlocks(inode), inlineRest(inode)]).subarray(0, size);
    if (inline.length > 0) yield { offset: 0, length: inline.length, start: null, inline };
    return;
  }
  for await (const { block, length, start } of mappedBlocks(context, inode)) {
    const offset = block * blockSize;
    if (offset >= size) return;
    yield {
      offset,
      length: Math.min(length * blockSize, size - offset),
      start: start === null ? null : start * blockSize,
    };
  }
}

/** A run with the bytes of those of its blocks whose newest content lies in the journal. */
async function* newest(replayed: ReplayedVolume, run: FileRun, blockSize: number): AsyncGenerator<FileRun> {
  const first = (run.start ?? 0) / blockSize;
  const end = first + Math.ceil(run.length / blockSize);
  for await (const { start, length, bytes } of replayed.pieces(first, end)) {
    const inner = (start - first) * blockSize;
    const size = Math.min(length * blockSize, run.length - inner);
    const offset = run.offset + inner;
    if (bytes === null) yield { offset, length: size, start: start * blockSize };
    else yield { offset, length: size, start: null, inline: bytes.subarray(0, size) };
  }
}

/** The whole content of something small. */
async function contentOf(context: ExtVolume, inode: ExtInode): Promise<Buffer> {
  if (inode.size > longestTarget) throw damaged(inode, 'it is too long for what it holds');
  const out = Buffer.alloc(inode.size);
  for await (const { offset, length, start, inline } of runsOf(context, inode)) {
    if (inline !== undefined) inline.copy(out, offset);
    else if (start !== null) (await readBytes(context.volume, start, length)).copy(out, offset);
  }
  return out;
}

/** The directories of one walk. None is loaded twice: a second name of one is a loop. */
class Directories implements Walkable<ExtInode> {
  readonly #context: ExtVolume;
  readonly #table: InodeTable;
  readonly #loaded = new Set<number>();

  constructor(context: ExtVolume, table: InodeTable) {
    this.#context = context;
    this.#table = table;
  }

  async root(): Promise<Loaded<ExtInode>> {
    const root = await this.#load(rootInode);
    if (root.directory === null) throw damaged({ number: rootInode }, 'the root is no directory');
    return root;
  }

  async *entries(directory: ExtInode): AsyncGenerator<NamedEntry<ExtInode> | RemetalError> {
    const encrypted = has(directory.flags, inodeFlags.encrypt);
    for await (const batch of this.#batches(directory)) {
      const found: NamedEntry<ExtInode>[] = [];
      for (const entry of batch) {
        if (entry instanceof RemetalError) yield entry;
        else if (!isDots(entry.name)) {
          const named = nameOf(entry.name, encrypted);
          if (named === null) yield damaged(directory, 'a name in it holds a slash or a zero');
          else found.push({ ...named, load: () => this.#load(entry.inode) });
        }
      }
      yield* found.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    }
  }

  async #load(number: number): Promise<Loaded<ExtInode>> {
    const inode = await this.#table.inode(number);
    const file = fileOf(inode);
    if (inode.type !== 'directory') return { file, directory: null };
    if (this.#loaded.has(number)) throw damaged(inode, 'the directory has two names');
    this.#loaded.add(number);
    // The record is a part of a block of the table, which need not be kept for it.
    return { file, directory: { ...inode, raw: Buffer.from(inode.raw) } };
  }

  async *#batches(directory: ExtInode): AsyncGenerator<(DirectoryEntry | RemetalError)[]> {
    const { volume, sb } = this.#context;
    const { blockSize } = sb;
    if (has(directory.flags, inodeFlags.inlineData)) {
      yield [inodeBlocks(directory).subarray(4), inlineRest(directory)].flatMap((part) =>
        checkedEntries(directory, part),
      );
      return;
    }
    let batch: (DirectoryEntry | RemetalError)[] = [];
    let bytesInBatch = 0;
    for await (const { offset, length, start } of runsOf(this.#context, directory)) {
      if (start === null) continue;
      // A directory ends with a whole block, whatever its size says.
      const whole = Math.ceil(length / blockSize) * blockSize;
      for (let done = 0; done < whole; done += largestRead / 4) {
        const size = Math.min(largestRead / 4, whole - done);
        this.#context.blocksLeft -= size / blockSize;
        if (this.#context.blocksLeft < 0) throw damaged(directory, 'directories share their blocks');
        const bytes = await this.#read(volume, start + done, size, offset + done);
        if (bytes instanceof RemetalError) batch.push(bytes);
        else {
          for (let at = 0; at < size; at += blockSize) {
            for (const entry of checkedEntries(directory, bytes.subarray(at, at + blockSize))) {
              batch.push(entry);
            }
          }
        }
        bytesInBatch += size;
        if (bytesInBatch < batchBytes) continue;
        yield batch;
        batch = [];
        bytesInBatch = 0;
      }
    }
    yield batch;
  }

  /** A part of a directory that cannot be read costs the names in it and no others. */
  async #read(
    volume: BlockDevice,
    start: number,
    length: number,
    at: number,
  ): Promise<Buffer | RemetalError> {
    try {
      return await readBytes(volume, start, length);
    } catch (error) {
      if (!(error instanceof RemetalError)) throw error;
      return new RemetalError(error.code, `${error.message} (bytes ${at} to ${at + length} of a directory)`, {
        facts: error.facts,
        cause: error,
      });
    }
  }
}

function checkedEntries(directory: ExtInode, block: Buffer): (DirectoryEntry | RemetalError)[] {
  let nonsense = false;
  const out: (DirectoryEntry | RemetalError)[] = [...entriesOf(block, () => (nonsense = true))];
  if (nonsense) out.push(damaged(directory, 'an entry of the directory makes no sense'));
  return out;
}

const isDots = (name: Buffer): boolean =>
  name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e));

/** A name as text, and as bytes where it is none; null where it can be no name. */
function nameOf(stored: Buffer, encrypted: boolean): { name: string; raw: Buffer | null } | null {
  if (encrypted) return { name: stored.toString('base64url'), raw: null };
  if (stored.includes(0) || stored.includes(0x2f)) return null;
  return { name: stored.toString('utf8'), raw: isUtf8(stored) ? null : Buffer.from(stored) };
}
