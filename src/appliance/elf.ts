import { RemetalError } from '../errors/index.ts';

/* ELF-64 little-endian, System V ABI chapters 4 and 5 and the x86-64 supplement. */
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const EM_X86_64 = 62;
/** No real file comes near these; they bound the loops over hostile headers. */
const MOST_HEADERS = 256;
const MOST_DYNAMIC = 4096;

/** What a program or library asks the dynamic loader for. */
export interface ElfNeeds {
  /** The loader's path, null for libraries and static programs. */
  readonly interpreter: string | null;
  /** Library names in the order of the file. */
  readonly needed: readonly string[];
}

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
}

function damaged(name: string, what: string): RemetalError {
  return new RemetalError('build-failed', `The program file ${name} is damaged: ${what}`, {
    facts: { name },
  });
}

/** True when the bytes begin as an ELF file does. */
export function isElf(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/**
 * Reads the dynamic section of an x86-64 ELF file, so that no foreign program has to be run (as `ldd`
 * does) to learn which libraries it needs. `name` is for the error. Throws `build-failed`.
 */
export function readElfNeeds(bytes: Buffer, name: string): ElfNeeds {
  if (bytes.length < 64 || !isElf(bytes)) throw damaged(name, 'no ELF header');
  if (bytes[4] !== 2 || bytes[5] !== 1 || bytes.readUInt16LE(18) !== EM_X86_64) {
    throw damaged(name, 'not for x86-64');
  }
  const at = (offset: number): number => {
    if (offset < 0 || offset + 8 > bytes.length) throw damaged(name, 'a field lies outside the file');
    const value = bytes.readBigUInt64LE(offset);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw damaged(name, 'a field is out of range');
    return Number(value);
  };
  const text = (offset: number): string => {
    const end = offset >= 0 && offset < bytes.length ? bytes.indexOf(0, offset) : -1;
    if (end < 0) throw damaged(name, 'a name lies outside the file');
    return bytes.toString('latin1', offset, end);
  };

  const tableOffset = at(32);
  const entrySize = bytes.readUInt16LE(54);
  const entries = bytes.readUInt16LE(56);
  if (entries > MOST_HEADERS || (entries > 0 && entrySize < 56)) throw damaged(name, 'program headers');
  const segments: Segment[] = [];
  for (let index = 0; index < entries; index++) {
    const header = tableOffset + index * entrySize;
    segments.push({
      type: at(header) % 2 ** 32,
      offset: at(header + 8),
      address: at(header + 16),
      fileSize: at(header + 32),
    });
  }

  const interpreter = segments.find((segment) => segment.type === PT_INTERP);
  const dynamic = segments.find((segment) => segment.type === PT_DYNAMIC);
  const needed: number[] = [];
  let strings: number | undefined;
  const pairs = dynamic === undefined ? 0 : Math.min(Math.floor(dynamic.fileSize / 16), MOST_DYNAMIC);
  for (let index = 0; index < pairs; index++) {
    const entry = dynamic!.offset + index * 16;
    const tag = at(entry);
    if (tag === 0) break;
    if (tag === DT_NEEDED) needed.push(at(entry + 8));
    if (tag === DT_STRTAB) strings = at(entry + 8);
  }
  if (needed.length > 0 && strings === undefined) throw damaged(name, 'no string table');
  const table = strings === undefined ? 0 : fileOffset(segments, strings, name);
  return {
    interpreter: interpreter === undefined ? null : text(interpreter.offset),
    needed: needed.map((offset) => text(table + offset)),
  };
}

function fileOffset(segments: readonly Segment[], address: number, name: string): number {
  for (const segment of segments) {
    if (segment.type !== PT_LOAD) continue;
    if (address >= segment.address && address < segment.address + segment.fileSize) {
      return segment.offset + (address - segment.address);
    }
  }
  throw damaged(name, 'the string table is not in a loaded segment');
}

export interface LibraryClosure {
  /** Library name to the path it was found at, sorted by name. */
  readonly libraries: ReadonlyMap<string, string>;
  /** Library name to the files that need it, for those nobody has. */
  readonly missing: ReadonlyMap<string, readonly string[]>;
}

/**
 * Every library that the given files need, and those need in turn. `find` says where a library lies,
 * null when there is none of that name; `read` gives a file's bytes.
 */
export async function libraryClosure(request: {
  readonly files: readonly string[];
  readonly find: (name: string) => string | null;
  readonly read: (path: string) => Promise<Buffer>;
}): Promise<LibraryClosure> {
  const libraries = new Map<string, string>();
  const missing = new Map<string, string[]>();
  const queue = [...request.files];
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    const bytes = await request.read(file);
    if (!isElf(bytes)) continue;
    for (const name of readElfNeeds(bytes, file).needed) {
      if (libraries.has(name)) continue;
      const path = request.find(name);
      if (path === null) {
        missing.set(name, [...(missing.get(name) ?? []), file]);
        continue;
      }
      libraries.set(name, path);
      queue.push(path);
    }
  }
  return { libraries: new Map([...libraries].toSorted(([a], [b]) => (a < b ? -1 : 1))), missing };
}
