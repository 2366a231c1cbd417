import { createReadStream, createWriteStream } from 'node:fs';
import { appendFile, rm, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { RemetalError } from '../errors/index.ts';
import { hashFile } from './cache.ts';
import { buildEpoch } from './epoch.ts';
import type { Tools } from './tools.ts';

/** One file of the appliance's root. Paths have no leading slash; everything belongs to root. */
export type Entry =
  | { readonly type: 'directory'; readonly mode: number }
  | { readonly type: 'symlink'; readonly target: string }
  | { readonly type: 'device'; readonly mode: number; readonly major: number; readonly minor: number }
  | { readonly type: 'file'; readonly mode: number; readonly source: string | Uint8Array };

/** Path to entry. Missing parent directories are added when it is written. */
export type Tree = Map<string, Entry>;

const TRAILER = 'TRAILER!!!';
const typeBits = { directory: 0o040000, symlink: 0o120000, device: 0o020000, file: 0o100000 } as const;

/** The cpio "newc" header (kernel: Documentation/driver-api/early-userspace/buffer-format.rst). */
function header(fields: {
  inode: number;
  mode: number;
  size: number;
  name: string;
  device?: readonly [number, number];
}): Buffer {
  const [major, minor] = fields.device ?? [0, 0];
  const nameSize = Buffer.byteLength(fields.name) + 1;
  const links = fields.name === TRAILER ? 1 : (fields.mode & 0o170000) === typeBits.directory ? 2 : 1;
  const time = fields.name === TRAILER ? 0 : buildEpoch();
  const numbers = [
    fields.inode,
    fields.mode,
    0,
    0,
    links,
    time,
    fields.size,
    0,
    0,
    major,
    minor,
    nameSize,
    0,
  ];
  const text = `070701${numbers.map((number) => number.toString(16).padStart(8, '0')).join('')}${fields.name}\0`;
  return padded(Buffer.from(text));
}

function padded(bytes: Buffer): Buffer {
  const rest = bytes.length % 4;
  return rest === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(4 - rest)]);
}

function withParents(tree: Tree): [string, Entry][] {
  const all = new Map(tree);
  for (const path of tree.keys()) {
    for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
      const parent = path.slice(0, slash);
      if (!all.has(parent)) all.set(parent, { type: 'directory', mode: 0o755 });
    }
  }
  return [...all].toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

/** The tree as a cpio archive: sorted by path, one time stamp, inodes counted up. */
export async function* cpio(tree: Tree): AsyncGenerator<Buffer> {
  let inode = 0;
  for (const [name, entry] of withParents(tree)) {
    inode++;
    const mode = typeBits[entry.type] | (entry.type === 'symlink' ? 0o777 : entry.mode);
    if (entry.type === 'symlink') {
      const target = Buffer.from(entry.target);
      yield header({ inode, mode, size: target.length, name });
      yield padded(target);
    } else if (entry.type === 'file') {
      yield* file({ inode, mode, name }, entry.source);
    } else {
      const device = entry.type === 'device' ? ([entry.major, entry.minor] as const) : ([0, 0] as const);
      yield header({ inode, mode, size: 0, name, device });
    }
  }
  yield header({ inode: 0, mode: 0, size: 0, name: TRAILER });
}

async function* file(
  fields: { inode: number; mode: number; name: string },
  source: string | Uint8Array,
): AsyncGenerator<Buffer> {
  if (typeof source !== 'string') {
    yield header({ ...fields, size: source.length });
    yield padded(Buffer.from(source));
    return;
  }
  const { size } = await stat(source);
  yield header({ ...fields, size });
  let done = 0;
  const stream: AsyncIterable<Buffer> = createReadStream(source, { highWaterMark: 1 << 20 });
  for await (const bytes of stream) {
    done += bytes.length;
    yield bytes;
  }
  if (done !== size) throw new RemetalError('build-failed', `The file ${source} changed while it was read`);
  if (size % 4 !== 0) yield Buffer.alloc(4 - (size % 4));
}

/**
 * Writes a tree as an initramfs segment and gives back its SHA-256, hex. Level 0 leaves the archive
 * plain. Segments may be concatenated; later ones lie over earlier ones. The zstd program is used and not
 * node:zlib, whose stream ends early when it compresses on more than one thread; its output depends on
 * there being threads, not on how many.
 */
export async function writeInitramfs(path: string, tree: Tree, level: number, tools: Tools): Promise<string> {
  const plain = level === 0 ? path : `${path}.cpio`;
  await pipeline(Readable.from(cpio(tree)), createWriteStream(plain));
  if (level > 0) {
    await tools.run('zstd', ['-q', '-f', `-${level}`, '-T2', '--check', '-o', path, plain]);
    await rm(plain);
  }
  // The kernel looks for the next concatenated archive at a multiple of four.
  const { size } = await stat(path);
  if (size % 4 !== 0) await appendFile(path, Buffer.alloc(4 - (size % 4)));
  return hashFile(path);
}
