import { link } from 'node:fs/promises';
import { RemetalError } from '../../errors/index.ts';
import { giveAttributes } from './attributes.ts';
import { Catalogue, fileStates } from './catalogue.ts';
import { Ledger } from './ledger.ts';
import type { Parts } from './parts.ts';
import { giveUpRest, pass, passThrough } from './pass.ts';
import { plan, type Planned } from './plan.ts';
import { problemOf, type Problem } from './problems.ts';
import type { ExtractRequest, ExtractTotals } from './request.ts';
import { RunTable } from './run-table.ts';
import { Scratch } from './scratch.ts';
import { StagedFiles } from './staged-files.ts';
import { TargetFolder } from './target-folder.ts';

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
  const target = TargetFolder.open(request.folder);
  const closing: { close(): Promise<void> }[] = [target];
  try {
    let scratches = 0;
    const openScratch = (): Promise<Scratch> => Scratch.open(target.stage, `scratch-${scratches++}`);
    const catalogue = new Catalogue(await openScratch());
    const rows = request.rowsInMemory === undefined ? {} : { rowsInMemory: request.rowsInMemory };
    const parts: Parts = {
      target,
      catalogue,
      placed: new RunTable({ openScratch, ...rows }),
      through: new RunTable({ openScratch, ...rows }),
      staged: new StagedFiles(target),
    };
    closing.unshift(parts.staged, catalogue, parts.placed, parts.through);
    const ledger = new Ledger(request, parts);
    const planned = await plan(request, parts, ledger);
    await pass(request, parts, ledger);
    await passThrough(request, parts, ledger);
    await giveUpRest(parts, ledger);
    await nameAgain(request, parts, ledger, planned);
    await target.closeStage();
    await finishFolders(parts, ledger, planned);
    ledger.tellWithheld();
    return ledger.totals;
  } finally {
    for (const each of closing) await each.close();
  }
}

/** The further names of files that have several. */
async function nameAgain(
  request: ExtractRequest,
  { target, catalogue }: Parts,
  ledger: Ledger,
  { laterNames }: Planned,
): Promise<void> {
  for (let i = 0; i < laterNames.length; i += 2) {
    request.signal?.throwIfAborted();
    const [number, first] = [laterNames[i]!, laterNames[i + 1]!];
    const entry = await catalogue.entry(number);
    await ledger.guarded(number, entry.file, async () => {
      const origin = await catalogue.entry(first);
      if (catalogue.state(first) !== fileStates.done) {
        const message = `${entry.file.path} is another name of ${origin.file.path}, which was not written`;
        throw new RemetalError('target-unwritable', message);
      }
      await link(target.named(origin.place), target.staged(number));
      target.place(number, entry.place, request.overwrite === true);
      catalogue.setState(number, fileStates.done);
      ledger.tellWritten(entry, null);
    });
  }
}

/** Writing into a directory changes its times, and its permissions may forbid it: they come last, inner ones first. */
async function finishFolders(
  { target, catalogue }: Parts,
  ledger: Ledger,
  { folders }: Planned,
): Promise<void> {
  for (const number of folders.toReversed()) {
    const entry = await catalogue.entry(number);
    let problem: Problem | null = null;
    if (catalogue.state(number) === fileStates.folder) {
      try {
        giveAttributes(`${target.folder(entry.place)}/.`, entry, ledger.withheld);
      } catch (error) {
        problem = problemOf(error, entry.file.path);
      }
    }
    ledger.tellWritten(entry, problem);
  }
}
