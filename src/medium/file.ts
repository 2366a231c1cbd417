import { mkdir, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { tarEndLength } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import { isClosed } from './closed.ts';
import { mediumError } from './file-errors.ts';
import { limitedPart, recordLimitFor, type PartLimit } from './limit.ts';
import type { Medium, RecordPlace, RecordSink, SetOnMedium } from './medium.ts';
import { checkSetName, parsePartFileName, partFileName, type PartFile } from './names.ts';
import { PartSource, type PartReader } from './source.ts';
import { WriteBehind } from './write-behind.ts';

export interface FileMediumOptions {
  /** Largest file, bytes; sets that need more span several. The file system's own limit when absent. */
  readonly partSize?: number;
}

/** `f_type` of FAT (statfs(2)) and the size of its largest file, 2^32 - 1 cut down to whole tar blocks. */
const fatType = 0x4d44;
const fatPartSize = 2 ** 32 - 512;
const partial = '.partial';

interface FoundPart extends PartFile {
  readonly path: string;
  readonly bytes: number;
}

/**
 * The sets in one directory, each part a tar file: `NAME.tar`, `NAME.part0002.tar`, and so on. While
 * a set is written its files end in `.partial`; they are renamed when everything is durable, the
 * first part last. `path` may also be one set's tar file, or a directory that is made on first use.
 */
export function fileMedium(path: string, options: FileMediumOptions = {}): Medium {
  const single = path.endsWith('.tar') ? parsePartFileName(basename(path)) : null;
  const folder = single === null ? path : dirname(path);
  const recordLimit = recordLimitFor(options.partSize ?? Number.MAX_SAFE_INTEGER);

  return {
    name: path,
    recordLimit: () => Promise.resolve(recordLimit),
    list: async () => {
      const parts = await findParts(folder);
      const names = new Set(
        parts.map((part) => part.set).filter((set) => single === null || set === single.set),
      );
      return Promise.all([...names].toSorted().map((name) => describe(name, partsOf(parts, name))));
    },
    create: async (name) => {
      checkSetName(name);
      return createFiles(folder, name, options.partSize ?? null);
    },
    open: async (name) => {
      const parts = partsOf(await findParts(folder), name);
      if (parts.length === 0) {
        throw new RemetalError('no-such-set', `Medium ${path} holds no set ${name}.`, {
          facts: { path, name },
        });
      }
      return openParts(name, parts);
    },
    close: async () => {},
  };
}

async function findParts(folder: string): Promise<FoundPart[]> {
  const files = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw mediumError(folder, error);
  });
  const out: FoundPart[] = [];
  for (const file of files) {
    const part = file.isDirectory() ? null : parsePartFileName(file.name);
    const path = join(folder, file.name);
    // A file that vanished since the directory was read is none of the medium's parts.
    const facts = part === null ? null : await stat(path).catch(() => null);
    if (part !== null && facts?.isFile() === true) out.push({ ...part, path, bytes: facts.size });
  }
  return out;
}

/** The parts of one set by number, unused numbers left empty; what an unfinished rename left counts as not committed. */
function partsOf(all: readonly FoundPart[], name: string): (FoundPart | undefined)[] {
  const out: (FoundPart | undefined)[] = [];
  const own = all.filter((part) => part.set === name);
  const committed = own.some((part) => part.committed && part.number === 0);
  for (const part of own) {
    // Beside a committed set, `.partial` files are another, interrupted run's.
    if (!part.committed && committed) continue;
    out[part.number] ??= part;
  }
  return Array.from(out);
}

function openParts(name: string, parts: readonly (FoundPart | undefined)[]): PartSource {
  return new PartSource({
    name,
    committed: parts.every((part) => part?.committed !== false),
    recordLimit: recordLimitFor(Number.MAX_SAFE_INTEGER),
    bytes: parts.reduce((sum, part) => sum + (part?.bytes ?? 0), 0),
    parts: parts.map((part) => (part === undefined ? null : () => openPart(part))),
  });
}

async function openPart(part: FoundPart): Promise<PartReader> {
  const file = await open(part.path, 'r').catch((error: unknown) => {
    throw mediumError(part.path, error);
  });
  return {
    size: part.bytes,
    read: async (target, offset) => {
      for (let at = 0; at < target.length;) {
        const { bytesRead } = await file
          .read(target, at, target.length - at, offset + at)
          .catch((error: unknown) => {
            throw mediumError(part.path, error);
          });
        if (bytesRead === 0) {
          throw new RemetalError('medium-failed', `Medium ${part.path} became shorter while it was read.`, {
            facts: { path: part.path, offset: offset + at },
          });
        }
        at += bytesRead;
      }
    },
    close: () => file.close(),
  };
}

async function describe(name: string, parts: readonly (FoundPart | undefined)[]): Promise<SetOnMedium> {
  const source = openParts(name, parts);
  try {
    const whole = source.committed && source.missing.length === 0;
    return { name, complete: whole && (await isClosed(source)), parts: parts.length, bytes: source.bytes };
  } finally {
    await source.close();
  }
}

async function createFiles(folder: string, name: string, partSize: number | null): Promise<RecordSink> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw mediumError(folder, error);
  });
  const own = (await findParts(folder)).filter((part) => part.set === name);
  if (own.some((part) => part.committed)) {
    throw new RemetalError('set-exists', `Medium ${folder} holds a set ${name} already.`, {
      hint: 'Give the set another name.',
      facts: { folder, name },
    });
  }
  for (const left of own) await rm(left.path, { force: true });
  const limit = partSize ?? ((await statfs(folder)).type === fatType ? fatPartSize : Number.MAX_SAFE_INTEGER);
  const sink = new FileSink(folder, name, limit);
  await sink.begin();
  return sink;
}

class FileSink implements RecordSink {
  readonly #folder: string;
  readonly #name: string;
  readonly #partSize: number;
  #part = -1;
  #file: WriteBehind | null = null;
  #limit: PartLimit;

  constructor(folder: string, name: string, partSize: number) {
    this.#folder = folder;
    this.#name = name;
    this.#partSize = partSize;
    this.#limit = limitedPart(partSize);
  }

  #path(part: number): string {
    return join(this.#folder, partFileName(this.#name, part));
  }

  async begin(): Promise<void> {
    this.#part++;
    this.#limit = limitedPart(this.#partSize);
    this.#file = await WriteBehind.create(this.#path(this.#part) + partial);
  }

  #open(): WriteBehind {
    if (this.#file !== null) return this.#file;
    throw new RemetalError('internal', `Set ${this.#name} was written to after its end.`);
  }

  async append(pieces: readonly Uint8Array[]): Promise<RecordPlace | 'end-of-medium'> {
    const file = this.#open();
    const offset = this.#limit.take(pieces.reduce((sum, piece) => sum + piece.length, 0));
    if (offset === null) return 'end-of-medium';
    for (const piece of pieces) await file.write(piece);
    return { part: this.#part, offset };
  }

  async #end(): Promise<void> {
    const file = this.#open();
    await file.write(Buffer.alloc(tarEndLength));
    this.#file = null;
    await file.finish();
  }

  async nextPart(): Promise<void> {
    await this.#end();
    await this.begin();
  }

  async commit(): Promise<void> {
    await this.#end();
    try {
      for (let part = this.#part; part >= 0; part--)
        await rename(this.#path(part) + partial, this.#path(part));
      const folder = await open(this.#folder, 'r');
      // Some network file systems cannot sync a directory; the files themselves are durable by now.
      await folder.sync().catch(() => {});
      await folder.close();
    } catch (error) {
      throw mediumError(this.#folder, error);
    }
  }

  async abort(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.abandon();
  }
}
