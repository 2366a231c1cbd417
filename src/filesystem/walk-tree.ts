import { RemetalError } from '../errors/index.ts';
import type { TreeFile, WalkOptions } from './file-tree.ts';

/** A directory nested deeper than this is a loop, or nothing anybody could use. */
const deepest = 2048;

/** A file whose place in the tree only the walk knows. */
export type Placeless = Omit<TreeFile, 'path' | 'rawPath'>;

/** A file, and for a directory what `entries` needs to read it. */
export interface Loaded<D> {
  readonly file: Placeless;
  readonly directory: D | null;
}

/** A name in a directory. */
export interface NamedEntry<D> {
  readonly name: string;
  /** The name as it is stored, where that is no UTF-8; else null. */
  readonly raw: Buffer | null;
  readonly load: () => Promise<Loaded<D>>;
}

/** What a file system tells a walk over its tree. */
export interface Walkable<D> {
  root(): Promise<Loaded<D>>;
  /** The entries of a directory, and errors for what of it makes no sense. Throws where nothing more of it can be read. */
  entries(directory: D): AsyncGenerator<NamedEntry<D> | RemetalError>;
  /** The same for names the file system takes for equal. */
  fold?(name: string): string;
}

/** A path that is asked for, or leads to one. */
interface Wanted {
  readonly below: Map<string, Wanted>;
  /** The path as it was asked for; null where it only leads to one. */
  asked: string | null;
  met: boolean;
}

interface Pending<D> {
  readonly directory: D;
  readonly path: string;
  readonly raw: Buffer | null;
  readonly depth: number;
  /** Whether all of it is asked for. */
  readonly whole: boolean;
  /** What of it is asked for apart; null for nothing. */
  readonly wanted: Wanted | null;
}

/**
 * Walks a tree: each directory before what is in it, all names of a directory before those below them. The
 * file system has to see to it that no directory is loaded twice. Paths that were not met throw `path-not-found` at the end.
 */
export async function* walkTree<D>(tree: Walkable<D>, options: WalkOptions = {}): AsyncGenerator<TreeFile> {
  const { signal } = options;
  const fold = tree.fold?.bind(tree) ?? ((name: string) => name);
  const wantedRoot = options.paths === undefined ? null : wantedOf(options.paths, fold);
  const lost = (path: string, error: unknown): void => {
    if (options.onLost === undefined || !(error instanceof RemetalError)) throw error;
    options.onLost(path, error);
  };
  const root = await tree.root();
  const all = wantedRoot === null || wantedRoot.asked !== null;
  if (wantedRoot !== null) wantedRoot.met = true;
  if (all) yield { ...root.file, path: '/', rawPath: null };
  const { directory: top } = root;
  const pending: Pending<D>[] =
    top === null ? [] : [{ directory: top, path: '', raw: null, depth: 0, whole: all, wanted: wantedRoot }];
  for (let above = pending.pop(); above !== undefined; above = pending.pop()) {
    const inner: Pending<D>[] = [];
    const entries = tree.entries(above.directory);
    for (;;) {
      signal?.throwIfAborted();
      const folder = above.path === '' ? '/' : above.path;
      const entry = await attempt(() => entries.next(), folder, lost);
      if (entry === null || entry.done === true) break;
      if (entry.value instanceof RemetalError) {
        lost(folder, entry.value);
        continue;
      }
      const { name, raw: rawName } = entry.value;
      const wanted = above.wanted?.below.get(fold(name)) ?? null;
      if (!above.whole && wanted === null) continue;
      if (wanted !== null) wanted.met = true;
      const path = `${above.path}/${name}`;
      const loaded = await attempt(entry.value.load, path, lost);
      if (loaded === null) continue;
      const raw = rawOf(above, name, rawName);
      const whole = above.whole || wanted?.asked !== null;
      if (whole) yield { ...loaded.file, path, rawPath: raw };
      const { directory } = loaded;
      if (directory === null) continue;
      const depth = above.depth + 1;
      if (depth <= deepest) inner.push({ directory, path, raw, depth, whole, wanted });
      else lost(path, new RemetalError('filesystem-damaged', `${path} lies deeper than directories can`));
    }
    for (const each of inner.toReversed()) pending.push(each);
  }
  if (wantedRoot !== null) refuseMissed(wantedRoot);
}

async function attempt<T>(
  work: () => Promise<T>,
  path: string,
  lost: (path: string, error: unknown) => void,
): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    lost(path, error);
    return null;
  }
}

function rawOf(
  above: { readonly path: string; readonly raw: Buffer | null },
  name: string,
  raw: Buffer | null,
): Buffer | null {
  if (above.raw === null && raw === null) return null;
  return Buffer.concat([above.raw ?? Buffer.from(above.path), Buffer.from('/'), raw ?? Buffer.from(name)]);
}

const nothingWanted = (): Wanted => ({ below: new Map(), asked: null, met: false });

function wantedOf(paths: readonly string[], fold: (name: string) => string): Wanted {
  const root = nothingWanted();
  for (const path of paths) {
    let at = root;
    for (const part of path.split('/')) {
      if (part === '' || part === '.') continue;
      const key = fold(part);
      const below = at.below.get(key) ?? nothingWanted();
      at.below.set(key, below);
      at = below;
    }
    at.asked ??= path;
  }
  return root;
}

function refuseMissed(root: Wanted): void {
  const missed: string[] = [];
  const pending = [root];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (!next.met && next.asked !== null) missed.push(next.asked);
    pending.push(...next.below.values());
  }
  if (missed.length === 0) return;
  const named = missed.toSorted().slice(0, 20).join(', ');
  throw new RemetalError('path-not-found', `There is no ${named}${missed.length > 20 ? ', …' : ''}.`, {
    hint: '`remetal files` lists what there is.',
    facts: { paths: missed.toSorted() },
  });
}
