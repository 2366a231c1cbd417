import { deepest, roles } from './index-of-records.ts';
import { nameText } from './names.ts';
import { readObject, type NetwareFile, type Records } from './objects.ts';
import type { Structures } from './structures.ts';

/** Where the server shows deleted files whose directory is gone. */
const deletedFolder = '/DELETED.SAV';
/** Where files are listed that no directory leads to; no DOS name begins with a dot. */
const orphanFolder = '/.ORPHANS';
const pathsKept = 10_000;

/** Walks the tree and gives every object its path in the DOS name space. */
export class Walk {
  readonly #structures: Structures;
  readonly #from: Records;
  readonly #paths = new Map<number, string | null>();

  constructor(structures: Structures) {
    this.#structures = structures;
    const { directory, extended, root } = structures;
    this.#from = { directory, extended, version: root.version };
  }

  /**
   * All live files and directories, each directory before what is in it; then those that no way leads
   * to from the root, below `/.ORPHANS` and the number of the directory they name.
   */
  async *live(): AsyncGenerator<NetwareFile> {
    const { index } = this.#structures;
    const open = [{ children: index.children(0), path: '' }];
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const { value: number, done } = top.children.next();
      if (done === true) {
        open.pop();
        continue;
      }
      const object = await readObject(this.#from, number, top.path);
      if (object === null) continue;
      yield object;
      if (object.kind === 'directory' && open.length <= deepest) {
        open.push({ children: index.children(number), path: object.path });
      }
    }
    for (const number of index.orphans()) {
      const object = await readObject(this.#from, number, `${orphanFolder}/${index.parent(number)}`);
      if (object !== null) yield object;
    }
  }

  /** All deleted files that can still be salvaged, with the paths they had; those whose directory is gone below `/DELETED.SAV`. */
  async *deleted(): AsyncGenerator<NetwareFile> {
    const { index } = this.#structures;
    for (const number of index.ofRole(roles.deletedFile, roles.deletedDirectory)) {
      const above = await this.#directoryPath(index.parent(number));
      const object = await readObject(this.#from, number, above ?? deletedFolder);
      if (object !== null) yield object;
    }
  }

  async #directoryPath(directory: number): Promise<string | null> {
    if (directory === 0) return '';
    const { index } = this.#structures;
    const known = this.#paths.get(directory);
    if (known !== undefined) return known;
    const above = index.isDirectory(directory) ? index.above(directory) : null;
    let path: string | null = above === null ? null : '';
    for (const number of above === null ? [] : [...above, directory]) {
      const record = await this.#from.directory.record(number);
      path = record === null || path === null ? null : `${path}/${await nameText(record, 0, null)}`;
    }
    if (this.#paths.size >= pathsKept) this.#paths.clear();
    this.#paths.set(directory, path);
    return path;
  }
}
