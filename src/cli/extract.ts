import { stat } from 'node:fs/promises';
import { formatBytes } from '../bytes/index.ts';
import { exitStatuses, RemetalError } from '../errors/index.ts';
import type { NameSpace } from '../filesystem/netware/index.ts';
import { extract, type Extracted, type ExtractTotals } from '../mount/extract/index.ts';
import { setVolume } from '../mount/index.ts';
import { setAddressHelp, setAddressText, withAddressedVolume, type AddressedVolume } from './address.ts';
import { integerOption, usage, type Context, type Verb } from './context.ts';
import { extractNetware } from './extract-netware.ts';
import { pathList } from './extract-paths.ts';
import { withVolumeTree, type OpenedTree } from './extract-tree.ts';
import { addNetwareOptions } from './netware-choice.ts';
import { addressHelp, isDiskAddress, isPlaceAlone } from './netware-source.ts';
import { addSetOptions, type SetOptions } from './place.ts';
import { shown } from './table.ts';

const mostStripped = 100;

export const extractVerb: Verb = (program, act) => {
  addSetOptions(
    addNetwareOptions(
      program
        .command('extract')
        .description('take files out of a backup set, or out of a NetWare volume, in one pass')
        .argument('<address...>', `${setAddressText}, then files, and directories with all below them`)
        .requiredOption('--to <folder>', 'the folder they are written to, made where it is missing')
        .option('--from <list>', 'a file with the paths, one a line; - for standard input')
        .option('--null', 'the paths of the list are separated by zeros, as find -print0 writes them')
        .option('--overwrite', 'replace files that are there already; without it they are left alone')
        .option(
          '--strip <count>',
          'leave that many names off the front of each path',
          integerOption(0, mostStripped),
        )
        .option('--damaged', 'keep files that cannot be read in full, with zeros for what is lost')
        .option('--deleted', 'the deleted files of a NetWare volume, in place of the live ones'),
    ),
  )
    .addHelpText(
      'after',
      `${setAddressHelp}

All files are looked up first; then the medium is read once from front to back, however many they are. They keep
owners, permissions, times, access lists and other attributes, holes and links. A file has its name only when it is
whole. Nothing that is there already is overwritten unless --overwrite is given, and nothing is ever written outside
the folder. It takes no root, but for owners and device nodes, and for xfs, btrfs, NTFS and others that the kernel
has to mount.

A NetWare volume that is in no set is named with its disks.
${addressHelp}
Of NetWare files compressed ones are written as they are stored, as NAME.compressed; resource forks of Macintosh files
as NAME.resource; of several deleted files of one path the later ones get a number. Times are taken as this machine's
local time.

Ends with 0 when every file was written as it was, with 3 when some were not; they are told one by one.

Examples:
  remetal extract web1/root /etc/fstab --to .
  remetal extract tape:/dev/nst0 web1/root --from list.txt --to /restored
  remetal extract /mnt/usbdisk/web1 web1 /srv/www --strip 2 --to /tmp
  remetal extract server.raw:SYS --to sys
  remetal extract disk0.raw,disk1.raw:VOL1 USERS/ALICE --to alice
  remetal extract server.raw:SYS --deleted --to salvaged`,
    )
    .action(act(extractVolume));
};

interface ExtractOptions extends SetOptions {
  readonly to: string;
  readonly from?: string;
  readonly null?: boolean;
  readonly overwrite?: boolean;
  readonly strip?: number;
  readonly damaged?: boolean;
  readonly deleted?: boolean;
  readonly names: NameSpace;
  readonly disk?: readonly string[];
  readonly set?: string;
}

async function extractVolume(
  context: Context,
  words: readonly string[],
  options: ExtractOptions,
): Promise<number> {
  const listed =
    options.from === undefined ? null : await pathList(context, options.from, options.null === true);
  if (isDiskAddress(words, options)) {
    if (options.overwrite === true || options.strip !== undefined) {
      usage('--overwrite and --strip are for sets addressed as SET/VOLUME.');
    }
    const [volume = '', ...paths] = words;
    return await extractNetware(context, volume, { ...options, paths: [...paths, ...(listed ?? [])] });
  }
  await refuseFile(options.to);
  // A place alone means the newest set in it.
  const address = isPlaceAlone(words) ? [...words, 'latest'] : words;
  return await withAddressedVolume(context, address, options, (at) =>
    extractOfSet(context, at, listed, options),
  );
}

/** Before a cartridge is moved for it. */
async function refuseFile(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => null);
  if (found === null || found.isDirectory()) return;
  throw new RemetalError('target-unwritable', `${folder} is no folder.`, {
    hint: 'Name a folder, or one that is not there yet.',
    facts: { path: folder },
  });
}

async function extractOfSet(
  context: Context,
  at: AddressedVolume,
  listed: readonly string[] | null,
  options: ExtractOptions,
): Promise<number> {
  const { reader, volume, described, rest, medium } = at;
  const asked = [...rest, ...(listed ?? [])];
  if (listed !== null && asked.length === 0) usage('The list names no path.');
  const device = setVolume(reader, volume, { signal: context.signal });
  try {
    await device.loadControl();
    return await withVolumeTree(context, { device, reader, described, options }, async (opened) => {
      const tally = { problems: 0 };
      const totals = await extract({
        tree: opened.tree,
        volume: device,
        ...(asked.length === 0 ? {} : { paths: asked }),
        folder: options.to,
        overwrite: options.overwrite === true,
        strip: options.strip ?? 0,
        damaged: options.damaged === true,
        signal: context.signal,
        onFile: (extracted) => tell(context, extracted, opened, tally),
        tell: (notice) => context.tell(notice),
        onProgress: (doneBytes, totalBytes) =>
          context.output.reporter.progress({
            phase: 'extract',
            volume: described.name,
            doneBytes,
            totalBytes,
          }),
      });
      const { controlGroups, dataGroups } = device.statistics();
      const { problems } = tally;
      context.output.result(
        {
          verb: 'extract',
          set: reader.name,
          volume,
          to: options.to,
          written: totals.files + totals.directories,
          ...totals,
          problems,
          how: opened.how,
          groups: { control: controlGroups, data: dataGroups },
          movements: medium.movements?.() ?? null,
        },
        summary(totals, problems, controlGroups + dataGroups, options.to),
      );
      return problems === 0 ? exitStatuses.ok : exitStatuses.exceptions;
    });
  } finally {
    await device.close();
  }
}

function summary(totals: ExtractTotals, problems: number, groups: number, to: string): string {
  const { files, directories, bytes } = totals;
  return [
    `${counted(files, 'file', 'files')} and ${counted(directories, 'directory', 'directories')}, ${formatBytes(bytes)}, written to ${shown(to)}\n`,
    `${counted(groups, 'group', 'groups')} of the set read\n`,
    problems === 0 ? '' : `${problems} with problems\n`,
  ].join('');
}

const counted = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;

function tell(
  { output, world }: Context,
  extracted: Extracted,
  { remarks }: OpenedTree,
  tally: { problems: number },
): void {
  const { path, written } = extracted;
  const problem = extracted.problem ?? (written === null ? null : (remarks.get(path) ?? null));
  output.event({ type: 'file', ...extracted, problem });
  if (problem === null) return;
  tally.problems++;
  // What did not come out is told whatever --quiet says.
  if (!output.json) world.stderr.write(`problem: ${shown(problem.message)} (${problem.code})\n`);
}
