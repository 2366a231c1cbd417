import { formatBytes } from '../bytes/index.ts';
import { exitStatuses, RemetalError } from '../errors/index.ts';
import type { NameSpace } from '../filesystem/netware/index.ts';
import type { Context } from './context.ts';
import { extractFiles, type Extracted } from './extract-files.ts';
import { chosenFiles } from './netware-choice.ts';
import { volumeAddress, withVolume } from './netware-source.ts';
import { shown } from './table.ts';

export interface NetwareExtraction {
  readonly paths: readonly string[];
  readonly to: string;
  readonly disk?: readonly string[];
  readonly set?: string;
  readonly deleted?: boolean;
  readonly names: NameSpace;
  readonly damaged?: boolean;
}

/** Extracts from a NetWare volume that is addressed `DISK:VOLUME` or `FOLDER:VOLUME`. Gives the exit status. */
export async function extractNetware(
  context: Context,
  volume: string,
  options: NetwareExtraction,
): Promise<number> {
  const address = volumeAddress(volume, options.disk);
  return await withVolume(context, address, options.set, async (filesystem, leavesOutDeleted) => {
    if (options.deleted === true && leavesOutDeleted) throw leftOut(filesystem.definition.name);
    const totals = { written: 0, bytes: 0, problems: 0 };
    const choice = { paths: options.paths, deleted: options.deleted === true, names: options.names };
    await extractFiles(filesystem, {
      files: chosenFiles(filesystem, choice),
      folder: options.to,
      damaged: options.damaged === true,
      signal: context.signal,
      onFile: (extracted) => tell(context, extracted, totals),
    });
    const { written, bytes, problems } = totals;
    context.output.result(
      { verb: 'extract', volume: filesystem.definition.name, to: options.to, ...totals },
      `${written} files and directories, ${formatBytes(bytes)}, written to ${options.to}\n${problems === 0 ? '' : `${problems} with problems\n`}`,
    );
    return problems === 0 ? exitStatuses.ok : exitStatuses.exceptions;
  });
}

/** The refusal to look for what a set does not hold. */
export function leftOut(volume: string): RemetalError {
  return new RemetalError(
    'deleted-left-out',
    `The set does not hold the contents of the deleted files of ${volume}.`,
    {
      hint: 'Backups made with --keep-deleted hold them.',
      facts: { volume },
    },
  );
}

function tell(
  { output, world }: Context,
  extracted: Extracted,
  totals: { written: number; bytes: number; problems: number },
): void {
  const { written, bytes, problem } = extracted;
  output.event({ type: 'file', ...extracted });
  if (written !== null) totals.written++;
  totals.bytes += bytes;
  if (problem === null) return;
  totals.problems++;
  // What did not come out is told whatever --quiet says.
  if (!output.json) world.stderr.write(`problem: ${shown(problem.message)} (${problem.code})\n`);
}
