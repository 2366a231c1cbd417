import { deepest, roles } from './index-of-records.ts';
import { readObject, type NetwareFile, type Records } from './objects.ts';
import type { NameSpace } from './records.ts';
import type { Structures } from './structures.ts';

/** Where the server shows deleted files whose directory is gone. */
const deletedFolder = '/DELETED.SAV';
/** Where files are listed that no directory leads to; no DOS name begins with a dot. */
const orphanFolder = '/.ORPHANS';
const pathsKept = 10_000;

/** Walks the tree and gives every object its path in a name space; a slash in a name is written %2F there. */
export class Walk {
  readonly #structures: Structures;
  readonly #space: NameSpace;
  readonly #from: Records;
  readonly #paths = new Map<number, string | null>();

  constructor(structures: Structures, space: NameSpace = 'DOS') {
    this.#structures = structures;
    this.#space = space;
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
      const object = await this.#object(number, top.path);
      if (object === null) continue;
      yield object;
      if (object.kind === 'directory' && open.length <= deepest) {
        open.push({ children: index.children(number), path: object.path });
      }
    }
    for (const number of index.orphans()) {
      const object = await this.#object(number, `${orphanFolder}/${index.parent(number)}`);
      if (object !== null) yield object;
    }
  }

  /** All deleted files that can still be salvaged, with the paths they had; those whose directory is gone below `/DELETED.SAV`. */
  async *deleted(): AsyncGenerator<NetwareFile> {
    const { index } = this.#structures;
    for (const number of index.ofRole(roles.deletedFile, roles.deletedDirectory)) {
      const above = await this.#directoryPath(index.parent(number));
      const object = await this.#object(number, above ?? deletedFolder);
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
      path = path === null ? null : ((await this.#object(number, path))?.path ?? null);
    }
    if (this.#paths.size >= pathsKept) this.#paths.clear();
    this.#paths.set(directory, path);
    return path;
  }

  async #object(number: number, above: string): Promise<NetwareFile | null> {
    const object = await readObject(this.#from, number);
    if (object === null) return null;
    const name = object.names[this.#space] ?? object.name;
    return { ...object, path: `${above}/${name.replaceAll('/', '%2F')}` };
  }
}
