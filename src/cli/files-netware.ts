import { formatBytes } from '../bytes/index.ts';
import type { NameSpace, NetwareFile, NetwareFileSystem } from '../filesystem/netware/index.ts';
import type { Context } from './context.ts';
import type { NamePattern } from './name-pattern.ts';
import { chosenFiles } from './netware-choice.ts';
import { attributeText, pathText, rightsText, trusteesText } from './netware-words.ts';
import { shown, table } from './table.ts';

export interface NetwareListing {
  readonly paths: readonly string[];
  readonly long?: boolean;
  readonly find?: readonly NamePattern[];
  readonly deleted?: boolean;
  readonly names: NameSpace;
  /** The volume is not checked for errors: that takes what is no part of the control set. */
  readonly unchecked?: boolean;
  /** More for the result of a set. */
  readonly facts?: () => Readonly<Record<string, unknown>>;
}

/** Lists the files of a NetWare volume, live or deleted. Throws `path-not-found`, `filesystem-damaged`. */
export async function listNetware(
  context: Context,
  filesystem: NetwareFileSystem,
  leavesOutDeleted: boolean,
  options: NetwareListing,
): Promise<void> {
  const { paths, names, find } = options;
  const deleted = options.deleted === true;
  const rows: NetwareFile[] = [];
  let count = 0;
  let bytes = 0;
  for await (const file of chosenFiles(filesystem, { paths, deleted, names })) {
    context.signal.throwIfAborted();
    if (find !== undefined && !find.some((pattern) => pattern.matches(file.path, true))) continue;
    count++;
    bytes += file.size;
    context.output.event({ type: 'file', ...file });
    if (!context.output.json) rows.push(file);
  }
  context.output.result(
    { verb: 'files', volume: filesystem.definition.name, deleted, count, bytes, ...options.facts?.() },
    options.long === true
      ? longList(rows, deleted)
      : rows.map((file) => `${shown(pathText(file))}\n`).join(''),
  );
  const findings = options.unchecked === true ? [] : await filesystem.check();
  const doubts = findings.filter(({ severity }) => severity === 'error').length;
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
