import { symlink } from 'node:fs/promises';
import { isCoded, RemetalError } from '../../errors/index.ts';
import type { TreeFile } from '../../filesystem/index.ts';
import { makeNode } from '../../system/index.ts';
import { fileStates, type Entry } from './catalogue.ts';
import type { Ledger } from './ledger.ts';
import type { Parts } from './parts.ts';
import { problemOf } from './problems.ts';
import type { ExtractRequest } from './request.ts';
import { placeBelow, rawPath } from './safe-path.ts';

/** What is left to do when the contents are written; numbers of the catalogue. */
export interface Planned {
  /** Pairs: a further name of a file, and its first. */
  readonly laterNames: readonly number[];
  /** Each directory before what is in it. */
  readonly folders: readonly number[];
}

/**
 * Looks up the files, makes what holds no bytes, and notes where the bytes of the others lie. A path that is not there is
 * told, and the rest goes on.
 */
export async function plan(request: ExtractRequest, parts: Parts, ledger: Ledger): Promise<Planned> {
  const planning = new Planning(request, parts, ledger);
  const { tree, paths, signal } = request;
  try {
    const walk = tree.walk({
      ...(paths === undefined ? {} : { paths }),
      ...(signal === undefined ? {} : { signal }),
      onLost: (path, error) => ledger.tellProblem(path, null, problemOf(error, path)),
    });
    for await (const file of walk) {
      signal?.throwIfAborted();
      await planning.take(file);
    }
  } catch (error) {
    if (!isCoded(error, 'path-not-found')) throw error;
    for (const path of missingPaths(error)) {
      ledger.tellProblem(path, null, { code: 'path-not-found', message: `${path} is not in the volume.` });
    }
  }
  await parts.placed.seal();
  await parts.through.seal();
  return planning;
}

class Planning implements Planned {
  readonly laterNames: number[] = [];
  readonly folders: number[] = [];
  readonly #request: ExtractRequest;
  readonly #parts: Parts;
  readonly #ledger: Ledger;
  /** The first name of a file that has several, by the id of the file. */
  readonly #firstNames = new Map<number, number>();

  constructor(request: ExtractRequest, parts: Parts, ledger: Ledger) {
    this.#request = request;
    this.#parts = parts;
    this.#ledger = ledger;
  }

  async take(file: TreeFile): Promise<void> {
    const isDirectory = file.kind === 'directory';
    const place = placeBelow(rawPath(file), this.#request.strip ?? 0, isDirectory);
    try {
      if (isDirectory) await this.#folder(file, place);
      else await this.#file(file, place);
    } catch (error) {
      this.#ledger.tellProblem(file.path, file.kind, problemOf(error, file.path));
    }
  }

  async #folder(file: TreeFile, place: string): Promise<void> {
    const { target, catalogue } = this.#parts;
    const { tree, overwrite } = this.#request;
    // Until all is written nobody else may look into it.
    const isNew = target.makeFolder(place, file.mode === null ? 0o777 : 0o700);
    // One that is there is a person's own, and the folder itself even where others are replaced.
    const kept = !isNew && (overwrite !== true || place === '');
    const attributes = kept ? [] : await tree.attributes(file);
    const state = kept ? fileStates.kept : fileStates.folder;
    this.folders.push(await catalogue.add({ file, attributes, place }, state));
  }

  async #file(file: TreeFile, place: string): Promise<void> {
    const { target, catalogue } = this.#parts;
    if (this.#request.overwrite !== true && target.holds(place)) {
      throw new RemetalError('file-exists', `${file.path} is there already and was left alone`);
    }
    const first = file.links > 1 ? this.#firstNames.get(file.id) : undefined;
    if (first !== undefined) {
      this.laterNames.push(await catalogue.add({ file, attributes: [], place }, fileStates.open), first);
      return;
    }
    const entry = { file, attributes: await this.#request.tree.attributes(file), place };
    const number = await catalogue.add(entry, fileStates.open);
    if (file.links > 1) this.#firstNames.set(file.id, number);
    await this.#ledger.guarded(number, file, () => this.#begin(number, entry));
  }

  async #begin(number: number, entry: Entry): Promise<void> {
    const { file } = entry;
    const path = this.#parts.target.staged(number);
    if (file.kind === 'file') {
      if ((await this.#noteRuns(number, file)) > 0) return;
    } else if (file.kind === 'link') {
      await symlink(await this.#request.tree.target(file), path);
    } else if (file.kind !== 'directory') {
      makeNode(path, file.kind, 0o600, file.device);
    }
    await this.#ledger.finish(number, entry);
  }

  /** Notes where the bytes of a file lie; gives how many are still to come. */
  async #noteRuns(number: number, file: TreeFile): Promise<number> {
    const { placed, through, staged } = this.#parts;
    const { tree, volume } = this.#request;
    let hint = 0;
    let owed = 0;
    for await (const run of tree.runs(file)) {
      const { offset, start, inline } = run;
      const length = Math.min(run.length, file.size - offset);
      if (length <= 0) continue;
      if (inline !== undefined) {
        await staged.write(number, inline.subarray(0, length), offset);
      } else if (run.through === true) {
        // Next to what lies before it in the file, for want of a better order.
        await through.add({ file: number, offset, length, start: start ?? hint });
        owed += length;
      } else if (start !== null) {
        if (start < 0 || offset < 0 || start + length > volume.size) {
          throw new RemetalError('filesystem-damaged', `${file.path} goes on outside the volume`);
        }
        await placed.add({ file: number, offset, length, start });
        owed += length;
        hint = start + length;
      }
    }
    this.#ledger.owe(number, owed);
    return owed;
  }
}

function missingPaths(error: RemetalError): string[] {
  const { paths } = error.facts;
  return Array.isArray(paths) ? paths.map(String) : [error.message];
}
