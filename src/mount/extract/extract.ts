import { link, symlink } from 'node:fs/promises';
import type { Extent } from '../../bytes/index.ts';
import { isCoded, RemetalError } from '../../errors/index.ts';
import type { TreeFile } from '../../filesystem/index.ts';
import type { Notice } from '../../progress/index.ts';
import { makeNode } from '../../system/index.ts';
import { giveAttributes, type Withheld } from './attributes.ts';
import { Catalogue, fileStates, type Entry } from './catalogue.ts';
import { bytesInOrder, type ReadableVolume } from './in-order.ts';
import { noticesOf, problemOf, type Problem } from './problems.ts';
import { RunTable } from './run-table.ts';
import { placeBelow, rawPath } from './safe-path.ts';
import { Scratch } from './scratch.ts';
import { StagedFiles } from './staged-files.ts';
import { TargetFolder } from './target-folder.ts';
import type { VolumeTree } from './volume-tree.ts';

/** What is taken out of a volume, and where it goes. */
export interface ExtractRequest {
  readonly tree: VolumeTree;
  /** Where the runs of the tree lie. */
  readonly volume: ReadableVolume;
  /** Files, and directories with all below them; everything when absent. */
  readonly paths?: readonly string[];
  /** The folder it goes into, made where it is missing. */
  readonly folder: string;
  /** Files that are there already are replaced; without it they are left alone, as a problem. */
  readonly overwrite?: boolean;
  /** So many names at the front of each path are left off. */
  readonly strip?: number;
  /** Files that cannot be read in full are kept, with zeros for what is lost. */
  readonly damaged?: boolean;
  readonly signal?: AbortSignal;
  /** Called once a file is done, whichever way. */
  readonly onFile?: (extracted: Extracted) => void;
  readonly tell?: (notice: Notice) => void;
  /** Told how many bytes of files are written, of how many. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
  /** Rows of the table of runs that are kept in memory. */
  readonly rowsInMemory?: number;
}

/** How it went with one file. */
export interface Extracted {
  /** Its path in the volume. */
  readonly path: string;
  readonly kind: TreeFile['kind'] | null;
  /** Where it was written, below the folder; null when it was not. */
  readonly written: string | null;
  readonly bytes: number;
  /** Why it was not written as it was, or null. */
  readonly problem: Problem | null;
}

export interface ExtractTotals {
  /** Names written that are no directories. */
  readonly files: number;
  readonly directories: number;
  /** Of the files, holes counted too. */
  readonly bytes: number;
  readonly problems: number;
}

const mostExtents = 200_000;

/**
 * Takes files out of a volume: looks up all of them, then reads what they hold once, in the order of the medium, and
 * writes each piece where it belongs. A file has its name only when it is whole, with owner, permissions, extended
 * attributes, times, holes and hard links. A file that fails stops no other. Memory is bounded whatever the files, but
 * for 25 bytes a file and 40 for one of several names.
 *
 * @throws `target-unwritable` where nothing can be written any more, what the tree and the volume throw as a whole,
 * the reason of the signal.
 */
export async function extract(request: ExtractRequest): Promise<ExtractTotals> {
  const target = await TargetFolder.open(request.folder);
  const tables: { close(): Promise<void> }[] = [target];
  try {
    let scratches = 0;
    const openScratch = (): Promise<Scratch> => Scratch.open(target.stage, `scratch-${scratches++}`);
    const catalogue = new Catalogue(await openScratch());
    const rows = request.rowsInMemory === undefined ? {} : { rowsInMemory: request.rowsInMemory };
    const placed = new RunTable({ openScratch, ...rows });
    const through = new RunTable({ openScratch, ...rows });
    const staged = new StagedFiles(target);
    tables.unshift(staged, catalogue, placed, through);
    const extraction = new Extraction(request, { target, catalogue, placed, through, staged });
    return await extraction.run();
  } finally {
    for (const table of tables) await table.close();
  }
}

interface Parts {
  readonly target: TargetFolder;
  readonly catalogue: Catalogue;
  readonly placed: RunTable;
  readonly through: RunTable;
  readonly staged: StagedFiles;
}

class Extraction {
  readonly #request: ExtractRequest;
  readonly #parts: Parts;
  /** The first name of a file that has several, by the id of the file. */
  readonly #firstNames = new Map<number, number>();
  readonly #laterNames: number[] = [];
  readonly #folders: number[] = [];
  readonly #withheld: Withheld = { owners: 0, attributes: 0, modes: 0 };
  readonly #totals = { files: 0, directories: 0, bytes: 0, problems: 0 };
  #owedBytes = 0;
  #doneBytes = 0;

  constructor(request: ExtractRequest, parts: Parts) {
    this.#request = request;
    this.#parts = parts;
  }

  async run(): Promise<ExtractTotals> {
    await this.#plan();
    await this.#pass();
    await this.#throughTree();
    await this.#leftOver();
    await this.#names();
    await this.#parts.target.closeStage();
    await this.#finishFolders();
    for (const notice of noticesOf(this.#withheld)) this.#request.tell?.(notice);
    return { ...this.#totals };
  }

  /** Looks up the files, makes what holds no bytes, and notes where the bytes of the others lie. */
  async #plan(): Promise<void> {
    const { tree, paths, signal } = this.#request;
    try {
      const walk = tree.walk({
        ...(paths === undefined ? {} : { paths }),
        ...(signal === undefined ? {} : { signal }),
        onLost: (path, error) => this.#tellProblem(path, null, problemOf(error, path)),
      });
      for await (const file of walk) {
        signal?.throwIfAborted();
        await this.#one(file);
      }
    } catch (error) {
      if (!isCoded(error, 'path-not-found')) throw error;
      for (const path of missingPaths(error)) {
        const message = `${path} is not in the volume.`;
        this.#tellProblem(path, null, { code: 'path-not-found', message });
      }
    }
    await this.#parts.placed.seal();
    await this.#parts.through.seal();
  }

  async #one(file: TreeFile): Promise<void> {
    const { target, catalogue } = this.#parts;
    const isDirectory = file.kind === 'directory';
    const place = placeBelow(rawPath(file), this.#request.strip ?? 0, isDirectory);
    try {
      if (isDirectory) {
        // The folder itself is a person's own, unless it was made here.
        const isNew = await target.makeFolder(place, file.mode === null ? 0o777 : 0o700);
        const kept = !isNew && (this.#request.overwrite !== true || place === '');
        const attributes = kept ? [] : await this.#request.tree.attributes(file);
        const state = kept ? fileStates.kept : fileStates.folder;
        this.#folders.push(await catalogue.add({ file, attributes, place }, state));
        return;
      }
      if (this.#request.overwrite !== true && (await target.holds(place))) throw taken(file.path);
      const several = file.links > 1;
      const first = several ? this.#firstNames.get(file.id) : undefined;
      if (first !== undefined) {
        this.#laterNames.push(await catalogue.add({ file, attributes: [], place }, fileStates.open), first);
        return;
      }
      const attributes = await this.#request.tree.attributes(file);
      const number = await catalogue.add({ file, attributes, place }, fileStates.open);
      if (several) this.#firstNames.set(file.id, number);
      await this.#guarded(number, file, () => this.#begin(number, { file, attributes, place }));
    } catch (error) {
      this.#tellProblem(file.path, file.kind, problemOf(error, file.path));
    }
  }

  async #begin(number: number, entry: Entry): Promise<void> {
    const { target } = this.#parts;
    const { file } = entry;
    const path = target.staged(number);
    if (file.kind === 'file') {
      if ((await this.#noteRuns(number, file)) > 0) return;
    } else if (file.kind === 'link') {
      await symlink(await this.#request.tree.target(file), path);
    } else if (file.kind !== 'directory') {
      makeNode(path, file.kind, 0o600, file.device);
    }
    await this.#finish(number, entry);
  }

  /** Notes where the bytes of a file lie; gives how many are still to come. */
  async #noteRuns(number: number, file: TreeFile): Promise<number> {
    const { catalogue, placed, through, staged } = this.#parts;
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
    this.#owedBytes += owed;
    return catalogue.owe(number, owed);
  }

  async #pass(): Promise<void> {
    const { signal, volume } = this.#request;
    const { placed } = this.#parts;
    const lost: { extent: Extent; error: RemetalError }[] = [];
    const pieces = bytesInOrder(volume, await placed.extents(mostExtents), {
      ...(signal === undefined ? {} : { signal }),
      onDamage: (extent, error) => lost.push({ extent, error }),
    });
    for await (const { start, bytes } of pieces) {
      for await (const run of placed.within(start, start + bytes.length)) {
        const from = run.start - start;
        await this.#piece(run.file, bytes.subarray(from, from + run.length), run.offset);
      }
      for (const loss of lost.splice(0)) await this.#lose(loss.extent, loss.error);
    }
    for (const loss of lost.splice(0)) await this.#lose(loss.extent, loss.error);
  }

  async #lose({ start, length }: Extent, error: RemetalError): Promise<void> {
    for await (const run of this.#parts.placed.within(start, start + length)) {
      await this.#loseRun(run.file, run.length, error);
    }
  }

  async #loseRun(number: number, length: number, error: unknown): Promise<void> {
    const { catalogue } = this.#parts;
    const state = catalogue.state(number);
    if (state !== fileStates.open && state !== fileStates.damaged) return;
    const { file } = await catalogue.entry(number);
    if (this.#request.damaged !== true) {
      await this.#fail(number, file, error);
      return;
    }
    catalogue.setState(number, fileStates.damaged);
    if (catalogue.owe(number, -length) === 0) await this.#finishOwed(number);
  }

  /** Reads what has no place of its own through the tree, file by file. */
  async #throughTree(): Promise<void> {
    const { through, catalogue, staged } = this.#parts;
    const { tree, signal } = this.#request;
    if (through.size === 0 || tree.content === undefined) return;
    for await (const { file: number, offset, length } of through.all()) {
      signal?.throwIfAborted();
      const state = catalogue.state(number);
      if (state !== fileStates.open && state !== fileStates.damaged) continue;
      const { file } = await catalogue.entry(number);
      let done = 0;
      try {
        for await (const bytes of tree.content(file, offset, length)) {
          signal?.throwIfAborted();
          await this.#guarded(number, file, () => staged.writeSparse(number, bytes, offset + done));
          done += bytes.length;
          this.#progress(bytes.length);
        }
        // A file that ends early is as long as it says, with zeros.
        if (catalogue.owe(number, -length) === 0) await this.#finishOwed(number);
      } catch (error) {
        if (!isCoded(error, 'disk-read-failed')) throw error;
        await this.#loseRun(number, length, error);
      }
    }
  }

  /** Nothing is owed any more, unless a volume gave less than it was asked for. */
  async #leftOver(): Promise<void> {
    const { catalogue } = this.#parts;
    for (let number = 0; number < catalogue.size; number++) {
      const state = catalogue.state(number);
      if (state !== fileStates.open && state !== fileStates.damaged) continue;
      if (catalogue.owe(number, 0) === 0) continue;
      const { file } = await catalogue.entry(number);
      await this.#fail(
        number,
        file,
        new RemetalError('disk-read-failed', `${file.path} was not read in full`),
      );
    }
  }

  async #piece(number: number, bytes: Buffer, offset: number): Promise<void> {
    const { catalogue, staged } = this.#parts;
    const state = catalogue.state(number);
    if (state !== fileStates.open && state !== fileStates.damaged) return;
    await this.#guarded(number, null, () => staged.write(number, bytes, offset));
    this.#progress(bytes.length);
    if (catalogue.owe(number, -bytes.length) === 0) await this.#finishOwed(number);
  }

  #progress(bytes: number): void {
    this.#doneBytes += bytes;
    this.#request.onProgress?.(this.#doneBytes, this.#owedBytes);
  }

  async #finishOwed(number: number): Promise<void> {
    const entry = await this.#parts.catalogue.entry(number);
    await this.#guarded(number, entry.file, () => this.#finish(number, entry));
  }

  /** Gives a file that is whole its attributes and its name. */
  async #finish(number: number, entry: Entry): Promise<void> {
    const { target, catalogue, staged } = this.#parts;
    const { file, place } = entry;
    if (file.kind === 'file') await staged.finish(number, file.size);
    let problem: Problem | null = null;
    try {
      await giveAttributes(target.staged(number), entry, this.#withheld);
    } catch (error) {
      const { code, message } = problemOf(error, file.path);
      problem = { code, message: `Not everything of ${file.path} could be set: ${message}` };
    }
    await target.place(number, place, this.#request.overwrite === true);
    if (catalogue.state(number) === fileStates.damaged) {
      const message = `${file.path} is damaged: what is lost of it was written as zeros.`;
      problem = { code: 'disk-read-failed', message };
    }
    catalogue.setState(number, fileStates.done);
    this.#tellWritten(entry, problem);
  }

  /** The further names of files that have several. */
  async #names(): Promise<void> {
    const { target, catalogue } = this.#parts;
    for (let i = 0; i < this.#laterNames.length; i += 2) {
      const [number, first] = [this.#laterNames[i]!, this.#laterNames[i + 1]!];
      const entry = await catalogue.entry(number);
      await this.#guarded(number, entry.file, async () => {
        const origin = await catalogue.entry(first);
        if (catalogue.state(first) !== fileStates.done) {
          const message = `${entry.file.path} is another name of ${origin.file.path}, which was not written`;
          throw new RemetalError('target-unwritable', message);
        }
        await link(await target.named(origin.place), target.staged(number));
        await target.place(number, entry.place, this.#request.overwrite === true);
        catalogue.setState(number, fileStates.done);
        this.#tellWritten(entry, null);
      });
    }
  }

  /** Writing into a directory changes its times, and its permissions may forbid it: they come last, inner ones first. */
  async #finishFolders(): Promise<void> {
    const { target, catalogue } = this.#parts;
    for (const number of this.#folders.toReversed()) {
      const entry = await catalogue.entry(number);
      let problem: Problem | null = null;
      if (catalogue.state(number) === fileStates.folder) {
        try {
          await giveAttributes(`${await target.folder(entry.place)}/.`, entry, this.#withheld);
        } catch (error) {
          problem = problemOf(error, entry.file.path);
        }
      }
      this.#tellWritten(entry, problem);
    }
  }

  /** Does work on one file: what fails is told as its problem and the file given up, but for what concerns all. */
  async #guarded(number: number, file: TreeFile | null, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      await this.#fail(number, file ?? (await this.#parts.catalogue.entry(number)).file, error);
    }
  }

  async #fail(number: number, file: TreeFile, error: unknown): Promise<void> {
    const problem = problemOf(error, file.path);
    const { catalogue, staged, target } = this.#parts;
    catalogue.setState(number, fileStates.failed);
    await staged.forget(number);
    await target.drop(number);
    this.#tellProblem(file.path, file.kind, problem);
  }

  #tellProblem(path: string, kind: TreeFile['kind'] | null, problem: Problem): void {
    this.#totals.problems++;
    this.#request.onFile?.({ path, kind, written: null, bytes: 0, problem });
  }

  #tellWritten({ file, place }: Entry, problem: Problem | null): void {
    const isDirectory = file.kind === 'directory';
    const bytes = file.kind === 'file' ? file.size : 0;
    if (isDirectory) this.#totals.directories++;
    else this.#totals.files++;
    this.#totals.bytes += bytes;
    if (problem !== null) this.#totals.problems++;
    const written = Buffer.from(place, 'latin1').toString();
    this.#request.onFile?.({ path: file.path, kind: file.kind, written, bytes, problem });
  }
}

function taken(path: string): RemetalError {
  return new RemetalError('file-exists', `${path} is there already and was left alone`);
}

function missingPaths(error: RemetalError): string[] {
  const { paths } = error.facts;
  return Array.isArray(paths) ? paths.map(String) : [error.message];
}
