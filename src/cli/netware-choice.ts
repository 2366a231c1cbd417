import { RemetalError } from '../errors/index.ts';
import {
  nameSpaces,
  type NameSpace,
  type NetwareFile,
  type NetwareFileSystem,
} from '../filesystem/netware/index.ts';
import { InvalidArgumentError, type Command } from 'commander';
import { collect } from './context.ts';

/** Which files of a volume a person means. */
export interface FileChoice {
  /** Files, and directories with all below them; everything when empty. */
  readonly paths: readonly string[];
  readonly deleted: boolean;
  readonly names: NameSpace;
}

/** An option that is a name space. */
export function nameSpaceOption(value: string): NameSpace {
  const found = nameSpaces.find((space) => space === value.toUpperCase());
  if (found === undefined)
    throw new InvalidArgumentError(`It is one of ${nameSpaces.join(', ').toLowerCase()}.`);
  return found;
}

/** The files of a choice. Throws `path-not-found` at the end where a path has met none. */
export async function* chosenFiles(
  filesystem: NetwareFileSystem,
  { paths, deleted, names }: FileChoice,
): AsyncGenerator<NetwareFile> {
  const wanted = paths.map((path) => ({ path, key: keyOf(path), met: false }));
  for await (const file of deleted ? filesystem.deleted({ names }) : filesystem.walk({ names })) {
    const key = keyOf(file.path);
    const matching = wanted.filter(
      (want) => want.key === '' || key === want.key || key.startsWith(`${want.key}/`),
    );
    for (const want of matching) want.met = true;
    if (wanted.length === 0 || matching.length > 0) yield file;
  }
  const missed = wanted.filter(({ met, key }) => !met && key !== '').map(({ path }) => path);
  if (missed.length === 0) return;
  throw new RemetalError(
    'path-not-found',
    `Volume ${filesystem.definition.name} holds no ${deleted ? 'deleted file' : 'file'} ${missed.join(', ')}.`,
    { hint: '`remetal files` lists what it holds.', facts: { paths: missed } },
  );
}

/** A path as NetWare compares it: either slash, no capitals, with or without one in front. */
function keyOf(path: string): string {
  return path
    .replaceAll('\\', '/')
    .split('/')
    .filter((part) => part !== '')
    .join('/')
    .toUpperCase();
}

/** Adds what says which NetWare volume is meant, on disks or in a folder, and by which names its files are called. */
export function addNetwareOptions(command: Command): Command {
  return command
    .option(
      '--names <space>',
      'the names of a NetWare volume: dos, long, nfs, mac, nt',
      nameSpaceOption,
      'DOS',
    )
    .option('--disk <path>', 'a disk or an image file a NetWare volume lies on; may be given again', collect)
    .option('--set <name>', 'which set of a folder, for FOLDER:VOLUME; the newest when absent');
}
