import type { TreeFile } from '../../filesystem/index.ts';
import { giveAttributes, type Withheld } from './attributes.ts';
import { fileStates, type Entry } from './catalogue.ts';
import type { Parts } from './parts.ts';
import { noticesOf, problemOf, type Problem } from './problems.ts';
import type { ExtractRequest, ExtractTotals } from './request.ts';

/** What becomes of each file: what it is still owed, its end, and what is told of it. */
export class Ledger {
  readonly withheld: Withheld = { owners: 0, attributes: 0, modes: 0 };
  readonly #request: ExtractRequest;
  readonly #parts: Parts;
  readonly #totals = { files: 0, directories: 0, bytes: 0, problems: 0 };
  #owedBytes = 0;
  #doneBytes = 0;

  constructor(request: ExtractRequest, parts: Parts) {
    this.#request = request;
    this.#parts = parts;
  }

  get totals(): ExtractTotals {
    return { ...this.#totals };
  }

  /** True while bytes of the file are waited for. */
  isOpen(number: number): boolean {
    const state = this.#parts.catalogue.state(number);
    return state === fileStates.open || state === fileStates.damaged;
  }

  /** So many bytes of a file are to come. */
  owe(number: number, bytes: number): void {
    this.#owedBytes += bytes;
    this.#parts.catalogue.owe(number, bytes);
  }

  /** So many bytes of it have been written; a file that is owed nothing more is finished. */
  async paid(number: number, bytes: number): Promise<void> {
    this.#doneBytes += bytes;
    this.#request.onProgress?.(this.#doneBytes, this.#owedBytes);
    await this.#settle(number, bytes);
  }

  /** So many bytes of a file are lost: it is given up, or goes on with zeros for them. */
  async lose(number: number, bytes: number, error: unknown): Promise<void> {
    if (!this.isOpen(number)) return;
    const { catalogue } = this.#parts;
    if (this.#request.damaged !== true) {
      await this.fail(number, (await catalogue.entry(number)).file, error);
      return;
    }
    catalogue.setState(number, fileStates.damaged);
    await this.#settle(number, bytes);
  }

  /** Does work on one file: what fails is told as its problem and the file given up, but for what concerns all. */
  async guarded(number: number, file: TreeFile | null, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      await this.fail(number, file ?? (await this.#parts.catalogue.entry(number)).file, error);
    }
  }

  /** Gives a file that is whole its attributes and its name. */
  async finish(number: number, entry: Entry): Promise<void> {
    const { target, catalogue, staged } = this.#parts;
    const { file, place } = entry;
    if (file.kind === 'file') staged.finish(number, file.size);
    let problem: Problem | null = null;
    try {
      giveAttributes(target.staged(number), entry, this.withheld);
    } catch (error) {
      const { code, message } = problemOf(error, file.path);
      problem = { code, message: `Not everything of ${file.path} could be set: ${message}` };
    }
    target.place(number, place, this.#request.overwrite === true);
    if (catalogue.state(number) === fileStates.damaged) {
      const message = `${file.path} is damaged: what is lost of it was written as zeros.`;
      problem = { code: 'disk-read-failed', message };
    }
    catalogue.setState(number, fileStates.done);
    this.tellWritten(entry, problem);
  }

  async fail(number: number, file: TreeFile, error: unknown): Promise<void> {
    const problem = problemOf(error, file.path);
    const { catalogue, staged, target } = this.#parts;
    catalogue.setState(number, fileStates.failed);
    staged.forget(number);
    await target.drop(number);
    this.tellProblem(file.path, file.kind, problem);
  }

  tellProblem(path: string, kind: TreeFile['kind'] | null, problem: Problem): void {
    this.#totals.problems++;
    this.#request.onFile?.({ path, kind, written: null, bytes: 0, problem });
  }

  tellWritten({ file, place }: Entry, problem: Problem | null): void {
    const bytes = file.kind === 'file' ? file.size : 0;
    if (file.kind === 'directory') this.#totals.directories++;
    else this.#totals.files++;
    this.#totals.bytes += bytes;
    if (problem !== null) this.#totals.problems++;
    const written = Buffer.from(place, 'latin1').toString();
    this.#request.onFile?.({ path: file.path, kind: file.kind, written, bytes, problem });
  }

  /** Tells once what could not be set of many. */
  tellWithheld(): void {
    for (const notice of noticesOf(this.withheld)) this.#request.tell?.(notice);
  }

  async #settle(number: number, bytes: number): Promise<void> {
    const { catalogue } = this.#parts;
    if (catalogue.owe(number, -bytes) > 0) return;
    const entry = await catalogue.entry(number);
    await this.guarded(number, entry.file, () => this.finish(number, entry));
  }
}
