import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { listedByKernel } from '../filesystem/tree-listing.ts';
import { entriesOf } from '../filesystem/netware/volumes.ts';
import { blankImage, serverImage } from '../helpers/server-image.ts';
import { requires, requiresRoot } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { manifestOf, unpacked } from '../layout/netware/images.ts';
import { differences, everything, filledImage, tool } from '../mount/extract/volumes.ts';
import { noise } from '../restore/sets.ts';
import { remetal } from './run.ts';

const MiB = 1024 * 1024;
const tools = ['mount', 'setfattr', 'getfattr', 'setfacl'];

async function backedUp(t: ExecutionContext, folder: string, image: string, name: string): Promise<string> {
  const place = join(folder, 'sets');
  const { status, stderr } = await remetal(['backup', '--disk', image, '--to', place, '--name', name]);
  t.is(status, 0, stderr);
  return place;
}

for (const [name, make, size, options, how] of [
  ['ext4', ['mke2fs', '-q', '-F', '-t', 'ext4'], 96, [], 'reader'],
  ['xfs', ['mkfs.xfs', '-q', '-f'], 320, [], 'mount'],
  ['btrfs', ['mkfs.btrfs', '-q', '-f'], 160, [], 'mount'],
  ['btrfs, compressed', ['mkfs.btrfs', '-q', '-f'], 160, ['compress-force=zstd'], 'mount'],
] as const) {
  requiresRoot(make[0], ...tools).serial(
    `a set of ${name} gives back all that the kernel shows of the original`,
    async (t: ExecutionContext) => {
      const folder = temporary(t);
      const { image, listed } = filledImage(folder, size * MiB, make, everything, options);
      const place = await backedUp(t, folder, image, 'web1');
      const out = join(folder, 'out');
      const ran = await remetal(['extract', place, 'web1', '--to', out, '--json']);
      t.is(ran.status, 0, ran.stdout.slice(-2000));
      t.like(ran.last(), { verb: 'extract', problems: 0, written: listed.size, how });
      t.deepEqual(differences(listedByKernel(out), listed), []);
    },
  );
}

for (const [name, make, size] of [
  ['ext4', ['mke2fs', '-q', '-F', '-t', 'ext4'], 64],
  ['xfs', ['mkfs.xfs', '-q', '-f'], 320],
  ['btrfs', ['mkfs.btrfs', '-q', '-f'], 128],
] as const) {
  requiresRoot(make[0], 'mount', 'cp').serial(
    `the newest files come out of a volume that was in use: ${name}`,
    async (t: ExecutionContext) => {
      const folder = temporary(t);
      const image = blankImage(join(folder, 'image'), size * MiB);
      tool(make[0], ...make.slice(1), image);
      const root = join(folder, 'root');
      mkdirSync(root);
      tool('mount', '-o', 'loop', image, root);
      const taken = join(folder, 'taken');
      let wanted: string[];
      try {
        mkdirSync(join(root, 'new'));
        for (let i = 0; i < 50; i++) writeFileSync(join(root, 'new', `file ${i}`), noise(i * 1009, i));
        tool('sync', '-f', root);
        wanted = hashes(root);
        tool('fsfreeze', '-f', root);
        try {
          tool('cp', '--sparse=always', image, taken);
        } finally {
          tool('fsfreeze', '-u', root);
        }
      } finally {
        tool('umount', root);
      }
      const place = await backedUp(t, folder, taken, 'live1');
      const out = join(folder, 'out');
      const ran = await remetal(['extract', place, 'live1', '--to', out, '--json']);
      t.is(ran.status, 0, ran.stdout.slice(-2000));
      t.deepEqual(hashes(out), wanted);
    },
  );
}

requiresRoot('mkfs.ntfs', 'ntfs-3g').serial(
  'a set of NTFS gives its files back through a mount',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const image = blankImage(join(folder, 'image'), 48 * MiB);
    tool('mkfs.ntfs', '-q', '-F', '-Q', image);
    const root = join(folder, 'root');
    mkdirSync(root);
    tool('mount', '-t', 'ntfs-3g', '-o', 'loop', image, root);
    mkdirSync(join(root, 'Program Files', 'deep'), { recursive: true });
    for (let i = 0; i < 40; i++) {
      writeFileSync(join(root, 'Program Files', 'deep', `Datei ä ${i}.bin`), noise(i * 3001, i));
    }
    writeFileSync(join(root, 'large'), noise(3 * MiB, 1));
    tool('truncate', '-s', '20M', join(root, 'holes'));
    const wanted = hashes(root);
    tool('umount', root);
    const place = await backedUp(t, folder, image, 'win1');
    const out = join(folder, 'out');
    const ran = await remetal(['extract', place, 'win1', '--to', out, '--json']);
    t.is(ran.status, 0, ran.stdout.slice(-2000));
    t.like(ran.last(), { problems: 0, how: 'mount' });
    t.deepEqual(hashes(out), wanted);
    t.true(statSync(join(out, 'holes')).blocks * 512 < MiB);
  },
);

requires('mkfs.fat', 'mcopy')(
  'a set of FAT gives its files back without root',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const tree = join(folder, 'tree');
    mkdirSync(join(tree, 'A Folder', 'SHORT'), { recursive: true });
    writeFileSync(join(tree, 'A Folder', 'SHORT', 'A longer name.text'), noise(70_000, 1));
    writeFileSync(join(tree, 'A Folder', 'EMPTY.TXT'), '');
    writeFileSync(join(tree, 'ROOT.BIN'), noise(300_000, 2));
    const image = blankImage(join(folder, 'image'), 40 * MiB);
    tool('mkfs.fat', '-F', '16', image);
    tool('mcopy', '-i', image, '-s', '-m', join(tree, 'A Folder'), join(tree, 'ROOT.BIN'), '::');
    const place = await backedUp(t, folder, image, 'dos1');
    const out = join(folder, 'out');
    const ran = await remetal(['extract', place, 'dos1', '--to', out, '--json']);
    t.is(ran.status, 0, ran.stdout.slice(-2000));
    t.like(ran.last(), { problems: 0, how: 'reader', files: 3 });
    t.deepEqual(hashes(out), hashes(tree));
    const small = join(folder, 'small');
    t.is((await remetal(['extract', place, 'dos1', '/a folder/short', '--to', small])).status, 0);
    t.deepEqual(readdirSync(join(small, 'A Folder', 'SHORT')), ['A longer name.text']);
  },
);

requires('mke2fs', 'sfdisk')(
  'paths, a list, what is not there, and a place that is remembered',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const image = serverImage(folder);
    // Places are remembered for all tests of this file: the name is one that no other has.
    await backedUp(t, folder, image, 'lists1');
    const list = join(folder, 'list');
    writeFileSync(list, '/noise\n\n/nothing here\n');
    const out = join(folder, 'out');
    const ran = await remetal(['extract', 'lists1/data', 'words', '--from', list, '--to', out]);
    t.is(ran.status, 3, ran.stderr);
    t.regex(ran.stderr, /problem: \/nothing here is not in the volume\. \(path-not-found\)\n/);
    t.regex(
      ran.stdout,
      /^2 files and 0 directories, .* written to .*\n\d+ groups of the set read\n1 with problems\n$/,
    );
    for (const name of ['noise', 'words']) {
      t.deepEqual(readFileSync(join(out, name)), readFileSync(join(folder, 'data', name)));
    }
    const again = await remetal(['extract', 'lists1/data', 'words', '--to', out]);
    t.is(again.status, 3);
    t.regex(again.stderr, /\/words is there already and was left alone\. \(file-exists\)/);
    t.is((await remetal(['extract', 'lists1/data', 'words', '--to', out, '--overwrite'])).status, 0);
    writeFileSync(list, 'words\0noise\0');
    const zeros = join(folder, 'zeros');
    t.is((await remetal(['extract', 'lists1/data', '--from', list, '--null', '--to', zeros])).status, 0);
    t.deepEqual(readdirSync(zeros).toSorted(), ['noise', 'words']);
    const stripped = join(folder, 'stripped');
    t.is((await remetal(['extract', 'lists1/root', '/etc', '--strip', '1', '--to', stripped])).status, 0);
    t.deepEqual(readdirSync(stripped), ['fstab']);
    for (const [args, code] of [
      [['lists1', '--to', out], 'usage'],
      [['lists1/none', '--to', out], 'volume-not-found'],
      [['lists1/data', '--deleted', '--to', out], 'usage'],
      [['lists1/data', '--from', join(folder, 'no list'), '--to', out], 'usage'],
      [['lists1/data', '--to', list], 'target-unwritable'],
      [['lists1/data', '--to', join(list, 'below a file')], 'target-unwritable'],
      [['lists1/data', '--to', '/proc/nothing/below'], 'target-unwritable'],
    ] as const) {
      t.like((await remetal(['extract', ...args, '--json'])).last(), { code }, args.join(' '));
    }
  },
);

requires('mke2fs')(
  'a chain of sets gives files of all its links in one pass',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const tree = join(folder, 'tree');
    mkdirSync(tree);
    for (let i = 0; i < 30; i++) writeFileSync(join(tree, `file ${i}`), noise(60_000, i));
    const image = blankImage(join(folder, 'image'), 24 * MiB);
    tool('mke2fs', '-q', '-F', '-t', 'ext4', '-d', tree, image);
    const place = await backedUp(t, folder, image, 'web1');
    for (const change of [3, 17]) {
      writeFileSync(join(folder, 'changed'), noise(60_000, 1000 + change));
      tool('debugfs', '-w', '-R', `rm "file ${change}"`, image);
      tool('debugfs', '-w', '-R', `write ${join(folder, 'changed')} "file ${change}"`, image);
      writeFileSync(join(tree, `file ${change}`), noise(60_000, 1000 + change));
      const since = await remetal([
        'backup',
        '--disk',
        image,
        '--to',
        place,
        '--name',
        'web1',
        '--since',
        'web1',
      ]);
      t.is(since.status, 0, since.stderr);
    }
    const out = join(folder, 'out');
    const ran = await remetal(['extract', place, 'web1', '--to', out]);
    t.is(ran.status, 0, ran.stderr);
    t.deepEqual(hashes(out), hashes(tree));
  },
);

requiresRoot('mke2fs', 'setpriv').serial(
  'without root all but owners and devices comes out, and that is told once',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const tree = join(folder, 'tree');
    mkdirSync(tree);
    for (const name of ['one', 'two', 'three']) writeFileSync(join(tree, name), noise(5000, name.length));
    const image = blankImage(join(folder, 'image'), 16 * MiB);
    tool('mke2fs', '-q', '-F', '-t', 'ext4', '-d', tree, image);
    const place = await backedUp(t, folder, image, 'web1');
    tool('chmod', '-R', 'a+rX', folder);
    const out = join(folder, 'theirs');
    mkdirSync(out);
    tool('chown', '65534:65534', out);
    const printed = tool(
      'setpriv',
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
      'env',
      `REMETAL_STATE=${out}/state`,
      join(import.meta.dirname, '../../remetal'),
      'extract',
      place,
      'web1',
      '/one',
      '/two',
      '/three',
      '--to',
      join(out, 'files'),
      '--json',
    );
    const lines = printed
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line));
    const notices = lines.filter((line) => JSON.stringify(line).includes('"owners-not-set"'));
    t.is(notices.length, 1, printed);
    t.regex(JSON.stringify(lines.at(-1)), /"files":3,.*"problems":0/);
    for (const name of ['one', 'two', 'three']) {
      t.deepEqual(readFileSync(join(out, 'files', name)), readFileSync(join(tree, name)));
    }
  },
);

function hashes(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      createHash('sha256')
        .update(readFileSync(join(entry.parentPath, entry.name)))
        .digest('hex'),
    )
    .toSorted();
}

requires('zstd')('NetWare volumes of a set, live and deleted files', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const [disk] = manifestOf('d-deleted').files.map(({ name, zst }) => {
    const path = join(folder, name);
    writeFileSync(path, unpacked(zst));
    return path;
  });
  const place = join(folder, 'sets');
  const made = await remetal(['backup', '--disk', disk!, '--to', place, '--name', 'fs1', '--keep-deleted']);
  t.is(made.status, 0, made.stderr);
  for (const deleted of [false, true]) {
    const out = join(folder, `out ${deleted}`);
    const ran = await remetal(['extract', place, 'fs1/SYS', '--to', out, ...(deleted ? ['--deleted'] : [])]);
    t.is(ran.status, 0, ran.stderr);
    const wanted = entriesOf('d-deleted', 'SYS')
      .filter((entry) => entry.type === 'file' && entry.deleted === deleted)
      .map(({ sha256 }) => sha256!);
    t.deepEqual(hashes(out), wanted.toSorted());
  }
});
