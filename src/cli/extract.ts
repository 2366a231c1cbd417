import { formatBytes } from '../bytes/index.ts';
import { exitStatuses, RemetalError } from '../errors/index.ts';
import type { NameSpace } from '../filesystem/netware/index.ts';
import { collect, type Context, type Verb } from './context.ts';
import { extractFiles, type Extracted } from './extract-files.ts';
import { chosenFiles, nameSpaceOption } from './netware-choice.ts';
import { addressHelp, volumeAddress, withVolume } from './netware-source.ts';
import { shown } from './table.ts';

export const extractVerb: Verb = (program, act) => {
  program
    .command('extract')
    .description('read files out of a NetWare volume, live or deleted, without NetWare')
    .argument('<volume>', 'DISK[,DISK…]:VOLUME, or FOLDER:VOLUME for a backup set')
    .argument('[path...]', 'files, and directories with all below them; everything when absent')
    .requiredOption('--to <folder>', 'the folder they are written to, made where it is missing')
    .option('--disk <path>', 'a disk or an image file the volume lies on; may be given again', collect)
    .option('--set <name>', 'which set of a folder; the newest when absent')
    .option('--deleted', 'the deleted files that can still be salvaged, in place of the live ones')
    .option('--names <space>', 'the name space of the names: dos, long, nfs, mac, nt', nameSpaceOption, 'DOS')
    .option('--damaged', 'keep files that cannot be read in full, with zeros for what is lost')
    .addHelpText(
      'after',
      `${addressHelp}

Files keep their paths, and the time of their last modification, taken as this machine's local time. Nothing that
is there already is overwritten. Compressed files are written as they are stored, as NAME.compressed; resource
forks of Macintosh files as NAME.resource. Of several deleted files of one path the later ones get a number.
Ends with 0 when every file was written as it was, with 3 when some were not; they are told one by one.

Examples:
  remetal extract server.raw:SYS --to sys
  remetal extract /mnt/usbdisk/fs1:SYS PUBLIC --to public
  remetal extract disk0.raw,disk1.raw:VOL1 USERS/ALICE --to alice
  remetal extract server.raw:SYS --deleted --to salvaged`,
    )
    .action(act(extract));
};

interface ExtractOptions {
  readonly to: string;
  readonly disk?: readonly string[];
  readonly set?: string;
  readonly deleted?: boolean;
  readonly names: NameSpace;
  readonly damaged?: boolean;
}

async function extract(
  context: Context,
  volume: string,
  paths: readonly string[],
  options: ExtractOptions,
): Promise<number> {
  const address = volumeAddress(volume, options.disk);
  return await withVolume(context, address, options.set, async (filesystem, leavesOutDeleted) => {
    if (options.deleted === true && leavesOutDeleted) throw leftOut(filesystem.definition.name);
    const totals = { written: 0, bytes: 0, problems: 0 };
    const choice = { paths, deleted: options.deleted === true, names: options.names };
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

function leftOut(volume: string): RemetalError {
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
