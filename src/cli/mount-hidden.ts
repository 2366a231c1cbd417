import { fuseFile } from '../system/index.ts';
import type { Context, Verb } from './context.ts';

/** Run by the program itself where it shows a volume as a file without the help of nbdfuse. */
export const fuseFileVerb: Verb = (program, act) => {
  program
    .command('fuse-file', { hidden: true })
    .argument('<socket>')
    .argument('<export>')
    .argument('<file>')
    .option('--readonly')
    .requiredOption('--pid-file <path>')
    .action(act(showFile));
};

async function showFile(
  _context: Context,
  socket: string,
  name: string,
  file: string,
  options: { readonly readonly?: boolean; readonly pidFile: string },
): Promise<void> {
  const { pidFile } = options;
  await fuseFile({ socket, export: name, file, readOnly: options.readonly === true, pidFile });
}
