import type { DirectoryFile } from './directory-file.ts';
import { mostRecords, recordSize, recordsPerPage } from './geometry.ts';
import { parseNamed, recordTypes } from './records.ts';

const noNumber = 0xff_ff_ff_ff;
/** NetWare allows 25 directories inside one another, and 100 when told to. */
export const deepest = 512;

/** What a record is, as far as finding one's way needs it. */
export const roles = {
  other: 0,
  file: 1,
  directory: 2,
  deletedFile: 3,
  deletedDirectory: 4,
  name: 5,
  trustees: 6,
  suballocation: 7,
} as const;
export type Role = (typeof roles)[keyof typeof roles];

/**
 * Who is whose parent: for every record of the DOS name space its role and its parent, and for every
 * directory its children in the order of their numbers. 13 bytes a record.
 */
export class RecordIndex {
  readonly #roles: Uint8Array;
  readonly #parents: Uint32Array;
  readonly #firstChild: Uint32Array;
  readonly #nextSibling: Uint32Array;

  private constructor(records: number) {
    this.#roles = new Uint8Array(records);
    this.#parents = new Uint32Array(records).fill(noNumber);
    this.#firstChild = new Uint32Array(records).fill(noNumber);
    this.#nextSibling = new Uint32Array(records).fill(noNumber);
  }

  static async of(directory: DirectoryFile): Promise<RecordIndex> {
    const index = new RecordIndex(directory.records);
    for (let page = 0; page < directory.pages; page++) {
      const bytes = await directory.page(page);
      if (bytes === null) continue;
      for (let i = 0; i < recordsPerPage; i++) {
        index.#enter(page * recordsPerPage + i, bytes.subarray(i * recordSize, (i + 1) * recordSize));
      }
    }
    index.#link();
    return index;
  }

  get records(): number {
    return this.#roles.length;
  }

  role(number: number): Role {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only roles are ever put there
    return (this.#roles[number] ?? roles.other) as Role;
  }

  /** The number of the directory a file or directory is in. */
  parent(number: number): number {
    return this.#parents[number] ?? noNumber;
  }

  /** Whether children can hang on it: the root, or a live directory. */
  isDirectory(number: number): boolean {
    return number === 0 || this.role(number) === roles.directory;
  }

  /** Live files and directories in a directory. */
  *children(directory: number): Generator<number> {
    let child = this.#firstChild[directory] ?? noNumber;
    while (child !== noNumber) {
      yield child;
      child = this.#nextSibling[child]!;
    }
  }

  /** The numbers of all records of a role. */
  *ofRole(...wanted: readonly Role[]): Generator<number> {
    for (let number = 0; number < this.#roles.length; number++) {
      if (wanted.includes(this.role(number))) yield number;
    }
  }

  /** The numbers of the directories above, from the root down; null where they do not begin at the root. */
  above(number: number): number[] | null {
    const way: number[] = [];
    for (let at = this.parent(number); at !== 0; at = this.parent(at)) {
      if (!this.isDirectory(at) || way.length >= deepest) return null;
      way.push(at);
    }
    return way.toReversed();
  }

  /** Live files and directories that no way leads to from the root. */
  *orphans(): Generator<number> {
    const reached = this.#reached();
    for (const number of this.ofRole(roles.file, roles.directory)) {
      if (reached[number] === 0) yield number;
    }
  }

  #reached(): Uint8Array {
    const reached = new Uint8Array(this.records);
    let level = [0];
    for (let depth = 0; depth <= deepest && level.length > 0; depth++) {
      const below: number[] = [];
      for (const directory of level) {
        for (const child of this.children(directory)) {
          reached[child] = 1;
          if (this.role(child) === roles.directory) below.push(child);
        }
      }
      level = below;
    }
    return reached;
  }

  #enter(number: number, record: Buffer): void {
    // Record 0 is the root and nobody's child, whatever it claims to be.
    if (number === 0) return;
    const type = record.readUInt32LE(0);
    if (type === recordTypes.trustees) this.#roles[number] = roles.trustees;
    if (type === recordTypes.suballocation) this.#roles[number] = roles.suballocation;
    if (type >= mostRecords) return;
    const { nameSpace, parent, subdirectory, deleted } = parseNamed(record);
    if (nameSpace !== 0) {
      this.#roles[number] = roles.name;
      return;
    }
    this.#parents[number] = parent;
    if (subdirectory) this.#roles[number] = deleted ? roles.deletedDirectory : roles.directory;
    else this.#roles[number] = deleted ? roles.deletedFile : roles.file;
  }

  /** Backwards, so that children come in the order of their numbers. */
  #link(): void {
    for (let number = this.records - 1; number > 0; number--) {
      const role = this.#roles[number];
      const parent = this.#parents[number]!;
      if ((role !== roles.file && role !== roles.directory) || parent >= this.records) continue;
      if (parent === number) continue;
      this.#nextSibling[number] = this.#firstChild[parent]!;
      this.#firstChild[parent] = number;
    }
  }
}
