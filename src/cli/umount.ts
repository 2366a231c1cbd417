import { realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { RemetalError } from '../errors/index.ts';
import { clearMount, knownMounts, warningsIn } from '../mount/mount-state.ts';
import type { Context, Verb } from './context.ts';
import { shown } from './table.ts';

export const umountVerb: Verb = (program, act) => {
  program
    .command('umount')
    .description('unmount a volume of a set and end its server')
    .argument('<folder>', 'where it is mounted')
    .option('--force', 'although somebody uses it')
    .addHelpText(
      'after',
      `
What was written to a volume mounted with --writable is thrown away, or goes into the file of --keep; where that cannot
be written it stays in memory, and \`remetal umount\` may be tried again; --force throws it away.
A mount whose server was killed is cleared too.

Examples:
  remetal umount /mnt`,
    )
    .action(act(umount));
};

/* The folder itself is not looked at: that may wait for a server that is gone. */
async function pathsOf(folder: string): Promise<string[]> {
  const path = resolve(folder);
  const above = await realpath(dirname(path)).catch(() => dirname(path));
  return [path, join(above, basename(path))];
}

async function umount(
  context: Context,
  folder: string,
  options: { readonly force?: boolean },
): Promise<void> {
  const paths = await pathsOf(folder);
  const found = await knownMounts(context.world.environment);
  const mount = found.findLast(({ state }) => paths.includes(state.target));
  if (mount === undefined) {
    throw new RemetalError('not-mounted', `Nothing of a set is mounted on ${folder}.`, {
      hint: found.length === 0 ? 'Nothing is mounted at all.' : 'See what is mounted with: remetal mount',
      facts: { folder, mounted: found.map(({ state }) => state.target) },
    });
  }
  const warnings = await warningsIn(mount.folder);
  const kept = await clearMount(mount, options.force === true);
  const { target, keep } = mount.state;
  if (mount.condition === 'dead') {
    context.tell({
      level: 'warning',
      code: 'server-failed',
      message: [
        `The server of ${target} had ended before it was asked to; what it left was cleared.`,
        keep === null ? '' : ` What was written is not in ${keep}.`,
      ].join(''),
    });
  }
  if (kept !== null && kept !== keep) {
    context.tell({
      level: 'warning',
      code: 'overlay-unusable',
      message: `${keep} was changed by somebody else meanwhile and is left as it is.`,
    });
  }
  context.output.result(
    { verb: 'umount', folder: target, condition: mount.condition, kept, warnings },
    [`${target}: unmounted${kept === null ? '' : `; what was written is in ${kept}`}`, ...warnings]
      .map((line) => `${shown(line)}\n`)
      .join(''),
  );
}
