import { RemetalError } from '../errors/index.ts';
import { liesOn, usesOf } from '../disk/index.ts';

/**
 * Makes sure that a disk or image file holds still while it is imaged and that the medium is not on
 * it. Throws `source-is-medium` or `source-mounted`.
 *
 * @param source Path of the disk or image file.
 * @param medium Path of the place the set is written to, which need not exist yet; null when it is no path.
 */
export async function checkSource(source: string, medium: string | null): Promise<void> {
  if (medium !== null && (await liesOn(medium, source))) {
    throw new RemetalError('source-is-medium', `${medium} lies on ${source}, which is to be imaged`, {
      hint: 'Write the set to another disk.',
      facts: { source, medium },
    });
  }
  const uses = (await usesOf(source)).filter((use) => use.kind === 'mounted' || use.kind === 'swap');
  if (uses.length === 0) return;
  const ways = uses.map((use) =>
    use.kind === 'swap' ? `swapoff /dev/${use.device}` : `umount ${use.mountPoint}`,
  );
  const isRoot = uses.some((use) => use.mountPoint === '/');
  throw new RemetalError(
    'source-mounted',
    `${source} would change while it is read: ${uses.map((use) => use.text).join(', ')}`,
    {
      hint: isRoot
        ? 'This is the running system: start the machine from the Remetal appliance and back it up from there.'
        : `Free it first (${[...new Set(ways)].join('; ')}), or start the machine from the Remetal appliance and back it up from there.`,
      facts: { source, uses: uses.map((use) => use.text) },
    },
  );
}
