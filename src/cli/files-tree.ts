import { once } from 'node:events';
import { formatBytes } from '../bytes/index.ts';
import { exitStatuses, RemetalError } from '../errors/index.ts';
import type { TreeFile } from '../filesystem/index.ts';
import { setVolume } from '../mount/index.ts';
import type { AddressedVolume } from './address.ts';
import type { Context } from './context.ts';
import { withVolumeTree, type OpenedTree } from './extract-tree.ts';
import { fileFacts, LongLines, plainLine, type Described } from './files-text.ts';
import type { NamePattern } from './name-pattern.ts';
import { shown } from './table.ts';
import type { NameSpace } from '../filesystem/netware/index.ts';

export interface TreeListing {
  readonly long?: boolean;
  readonly find?: readonly NamePattern[];
  readonly deleted?: boolean;
  readonly names: NameSpace;
}

/** Lines that are laid out and printed together. */
const linesAtOnce = 500;
/* File systems that take names for equal that differ in capitals only. */
const ignoresCase = /^(fat\d+|exfat|ntfs)$/;

interface Tally {
  count: number;
  bytes: number;
  problems: number;
}

/**
 * Lists the files of a volume of a set out of its control set. Gives back the exit status: 3 where directories or files
 * could not be read. Throws `path-not-found` and what opening the files throws.
 */
export async function listTree(context: Context, at: AddressedVolume, options: TreeListing): Promise<number> {
  const { reader, volume, described, rest, medium } = at;
  const device = setVolume(reader, volume, { signal: context.signal });
  try {
    await device.loadControl();
    return await withVolumeTree(context, { device, reader, described, options }, async (opened) => {
      const ignoreCase = ignoresCase.test(described.filesystem?.type ?? '');
      const tally: Tally = { count: 0, bytes: 0, problems: 0 };
      await printAll(context, opened, { ...options, ignoreCase, paths: rest }, tally);
      const { controlGroups, dataGroups } = device.statistics();
      context.output.result(
        {
          verb: 'files',
          set: reader.name,
          volume: described.name,
          deleted: false,
          ...tally,
          how: opened.how,
          groups: { control: controlGroups, data: dataGroups },
          movements: medium.movements?.() ?? null,
        },
        '',
      );
      context.output.remark(`${tally.count} files and directories, ${formatBytes(tally.bytes)}`);
      return tally.problems === 0 ? exitStatuses.ok : exitStatuses.exceptions;
    });
  } finally {
    await device.close();
  }
}

async function printAll(
  context: Context,
  { tree }: OpenedTree,
  options: TreeListing & { readonly ignoreCase: boolean; readonly paths: readonly string[] },
  tally: Tally,
): Promise<void> {
  const { output, world, signal } = context;
  const { find, paths, ignoreCase, long } = options;
  const layout = new LongLines();
  let waiting: Described[] = [];
  const print = async (): Promise<void> => {
    const text = long === true ? layout.lines(waiting) : waiting.map((each) => plainLine(each)).join('');
    waiting = [];
    // A reader slower than the volume must not make it all gather here.
    if (text !== '' && !world.stdout.write(text)) await once(world.stdout, 'drain', { signal });
  };
  const onLost = (path: string, error: Error): void => {
    tally.problems++;
    const code = error instanceof RemetalError ? error.code : 'internal';
    output.event({ type: 'problem', path, code, message: error.message });
    if (!output.json) world.stderr.write(`problem: ${shown(path)}: ${shown(error.message)} (${code})\n`);
  };
  const walk = tree.walk({ ...(paths.length === 0 ? {} : { paths }), signal, onLost });
  try {
    for await (const file of walk) {
      if (find !== undefined && !find.some((pattern) => pattern.matches(file.path, ignoreCase))) continue;
      tally.count++;
      tally.bytes += file.size;
      const described = { file, target: await targetOf(file) };
      if (output.json) {
        output.event({ type: 'file', ...fileFacts(described) });
        continue;
      }
      waiting.push(described);
      if (waiting.length >= linesAtOnce) await print();
    }
  } finally {
    await print();
  }

  async function targetOf(file: TreeFile): Promise<Buffer | null> {
    if (file.kind !== 'link' || (long !== true && !output.json)) return null;
    try {
      return await tree.target(file);
    } catch (error) {
      if (!(error instanceof RemetalError)) throw error;
      onLost(file.path, error);
      return null;
    }
  }
}
