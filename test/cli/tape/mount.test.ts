import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLibrary, openLibrary } from '../../../src/tape/virtual/index.ts';
import { requiresRoot } from '../../helpers/requires.ts';
import { temporary } from '../../helpers/temporary.ts';
import { leftovers, madeImage, plant } from '../../mount/images.ts';
import { remetal, type Ran } from '../run.ts';

const MiB = 1024 * 1024;

requiresRoot('losetup', 'mount', 'mkfs.ext4').serial(
  'a tape is listed when mounted; a file on a cartridge that is not there fails, and the log says why',
  async (t) => {
    const folder = temporary(t);
    const library = join(folder, 'library');
    await createLibrary(library, {
      drives: 1,
      slots: 3,
      cartridges: { FST001L8: { size: 4 * MiB }, SND002L8: { size: 32 * MiB } },
    });
    const address = `tape+file:${library}`;
    const environment = { REMETAL_RUN: join(folder, 'run'), REMETAL_STATE: join(folder, 'state') };
    const run = (...args: string[]): Promise<Ran> => remetal(args, { environment });
    const image = madeImage(folder, 'ext4', (root) => plant(root, 4, 20));
    const made = await run('backup', '--disk', image, '--to', address, '--name', 'tape1', '--level', '0');
    t.is(made.status, 0, made.stderr);
    const { changer } = await openLibrary(library);
    const status = await changer!.status();
    const full = status.drives[0]!.from;
    if (full !== 1) {
      await changer!.unload(2, 0);
      await changer!.load(1, 0);
    }
    const at = join(folder, 'mounted');
    mkdirSync(at);
    const mounted = await run('mount', address, 'tape1', at, '--changer', 'none', '--json');
    t.is(mounted.status, 0, mounted.stdout);
    t.like(mounted.last(), { movements: { loads: 1 } });
    t.is(readdirSync(join(at, 'folder 2', 'deep')).length, 20);
    t.throws(() => readFileSync(join(at, 'large')), { code: 'EIO' });
    const listed = await run('mount');
    t.regex(listed.stdout, /warning: .*cartridge/i);
    const gone = await run('umount', at);
    t.is(gone.status, 0, gone.stderr);
    t.regex(gone.stdout, /warning: .*cartridge/i);
    t.deepEqual(leftovers(folder), []);
  },
);
