import { formatBytes } from '../bytes/index.ts';
import type { NameSpace, NetwareFile } from '../filesystem/netware/index.ts';
import { collect, type Context, type Verb } from './context.ts';
import { chosenFiles, nameSpaceOption } from './netware-choice.ts';
import { addressHelp, volumeAddress, withVolume } from './netware-source.ts';
import { attributeText, pathText, rightsText, trusteesText } from './netware-words.ts';
import { shown, table } from './table.ts';

export const filesVerb: Verb = (program, act) => {
  program
    .command('files')
    .description('list the files of a NetWare volume, live or deleted')
    .argument('<volume>', 'DISK[,DISK…]:VOLUME, or FOLDER:VOLUME for a backup set')
    .argument('[path...]', 'files, and directories with all below them; everything when absent')
    .option('--disk <path>', 'a disk or an image file the volume lies on; may be given again', collect)
    .option('--set <name>', 'which set of a folder; the newest when absent')
    .option('-l, --long', 'sizes, attributes, dates, owners, trustees and other names as well')
    .option('--deleted', 'the deleted files that can still be salvaged, in place of the live ones')
    .option('--names <space>', 'the name space of the paths: dos, long, nfs, mac, nt', nameSpaceOption, 'DOS')
    .addHelpText(
      'after',
      `${addressHelp}

Times are the server's own and name no zone. With --json every file is a line of its own, type "file".

Examples:
  remetal files server.raw:SYS
  remetal files -l server.raw:SYS PUBLIC SYSTEM/LOGIN
  remetal files --deleted disk0.raw,disk1.raw:VOL1
  remetal files /mnt/usbdisk/fs1:SYS
  remetal files --disk /dev/sdb --disk /dev/sdc VOL1`,
    )
    .action(act(listFiles));
};

interface FilesOptions {
  readonly disk?: readonly string[];
  readonly long?: boolean;
  readonly set?: string;
  readonly deleted?: boolean;
  readonly names: NameSpace;
}

async function listFiles(
  context: Context,
  volume: string,
  paths: readonly string[],
  options: FilesOptions,
): Promise<void> {
  const deleted = options.deleted === true;
  const address = volumeAddress(volume, options.disk);
  await withVolume(context, address, options.set, async (filesystem, leavesOutDeleted) => {
    const rows: NetwareFile[] = [];
    let count = 0;
    let bytes = 0;
    for await (const file of chosenFiles(filesystem, { paths, deleted, names: options.names })) {
      context.signal.throwIfAborted();
      count++;
      bytes += file.size;
      context.output.event({ type: 'file', ...file });
      if (!context.output.json) rows.push(file);
    }
    context.output.result(
      { verb: 'files', volume: filesystem.definition.name, deleted, count, bytes },
      options.long === true
        ? longList(rows, deleted)
        : rows.map((file) => `${shown(pathText(file))}\n`).join(''),
    );
    const doubts = (await filesystem.check()).filter(({ severity }) => severity === 'error').length;
    if (doubts > 0) {
      context.output.remark(
        `warning: ${doubts} errors were found in the volume; files may be missing. \`remetal check\` tells them.`,
      );
    }
    if (deleted && leavesOutDeleted) {
      context.output.remark(
        'The set does not hold the contents of these files: it was made without --keep-deleted.',
      );
    }
    context.output.remark(`${count} files and directories, ${formatBytes(bytes)}`);
  });
}

function longList(files: readonly NetwareFile[], deleted: boolean): string {
  const head = ['size', 'attributes', 'created', 'modified', 'archived', 'owner', 'inherits', 'trustees'];
  const rows = files.map((file) => [
    file.kind === 'directory' ? '-' : String(file.size),
    attributeText(file.attributes),
    timeText(file.created),
    timeText(file.modified),
    timeText(file.archived),
    file.owner,
    rightsText(file.inheritedRights),
    trusteesText(file.trustees),
    ...(deleted ? [timeText(file.deletion?.at ?? null), file.deletion?.by ?? '-'] : []),
    shown(pathText(file) + otherNames(file)),
  ]);
  return table([...head, ...(deleted ? ['deleted', 'by'] : []), 'path'], rows);
}

const timeText = (time: string | null): string => time?.replace('T', ' ') ?? '-';

/** ` (LONG: A Long Name.text)`, for names that say more than the path does. */
function otherNames({ path, names }: NetwareFile): string {
  const more = Object.entries(names).filter(([, name]) => !path.endsWith(`/${name}`));
  return more.length === 0 ? '' : `  (${more.map(([space, name]) => `${space}: ${name}`).join(', ')})`;
}
