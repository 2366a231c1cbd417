import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import anyTest from 'ava';
import { namePattern } from '../../src/cli/name-pattern.ts';
import { modeText, momentText } from '../../src/cli/files-text.ts';
import { requires, requiresRoot } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { blank, run, sourceTree } from '../filesystem/fixtures.ts';
import { manifestOf, unpacked } from '../layout/netware/images.ts';
import { remetal } from './run.ts';

const MiB = 1024 * 1024;
const mode = (kind: 'file' | 'directory', bits: number | null, more = {}): string =>
  modeText({ kind, mode: bits, more });

/** A disk with an ext4 and a FAT, and the set it was backed up into. */
async function scene(
  t: ExecutionContext,
  name: string,
): Promise<{ folder: string; sets: string; disk: string }> {
  const folder = temporary(t);
  const disk = blank(join(folder, 'disk.raw'), 112 * MiB);
  execFileSync('sfdisk', ['-q', disk], {
    input: 'label: gpt\nstart=2048, size=131072, name=root\nstart=133120, size=81920, name=boot\n',
    env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
  });
  const tree = sourceTree(join(folder, 'tree'));
  mkdirSync(join(tree, 'etc', 'nginx'), { recursive: true });
  for (const conf of ['etc/hosts.conf', 'etc/nginx/nginx.conf', 'etc/nginx/Upper.CONF', 'etc/fstab'])
    writeFileSync(join(tree, conf), `# ${conf}\n`);
  run('mke2fs', '-q', '-t', 'ext4', '-L', 'root', '-d', tree, '-E', `offset=${MiB}`, disk, '64M');
  const fat = blank(join(folder, 'fat'), 40 * MiB);
  run('mkfs.fat', '-F', '16', '-n', 'BOOT', fat);
  run('mcopy', '-s', '-i', fat, join(tree, 'etc'), join(tree, 'other.bin'), '::/');
  run('dd', `if=${fat}`, `of=${disk}`, 'bs=1M', 'seek=65', 'conv=notrunc', 'status=none');
  const sets = join(folder, 'sets');
  const { status, stderr } = await remetal(['backup', '--disk', disk, '--to', sets, '--name', name]);
  t.is(status, 0, stderr);
  return { folder, sets, disk };
}

requires(
  'sfdisk',
  'mke2fs',
  'mkfs.fat',
  'mcopy',
  'dd',
  'find',
)('files of a set come from its control set, whatever the file system', async (t: ExecutionContext) => {
  const { folder, sets } = await scene(t, 'files1');
  const tree = join(folder, 'tree');
  const wanted = run('find', tree, '-printf', '%y %P\n')
    .trimEnd()
    .split('\n')
    .map((line) => `/${line.slice(2)}${line.startsWith('d') && line.length > 2 ? '/' : ''}`)
    .concat('/lost+found/');
  const listed = await remetal(['files', sets, 'files1/root']);
  t.is(listed.status, 0, listed.stderr);
  t.deepEqual(listed.stdout.trimEnd().split('\n').toSorted(), wanted.toSorted());
  t.regex(listed.stderr, new RegExp(`^${wanted.length} files and directories, `, 'm'));

  const found = await remetal(['files', 'files1/root', '/etc', '--find', '*.conf', '--json']);
  t.is(found.status, 0, found.stdout);
  t.deepEqual(
    found.lines().map(({ path }) => path),
    ['/etc/hosts.conf', '/etc/nginx/nginx.conf', undefined],
  );
  t.like(found.last(), {
    type: 'result',
    verb: 'files',
    volume: 'root',
    count: 2,
    problems: 0,
    how: 'reader',
  });
  t.like(found.last()['groups'], { data: 0 });
  const links = await remetal(['files', sets, 'latest/root', '--json', '--find', '*link']);
  t.like(links.lines()[1], { path: '/short link', kind: 'link', target: 'large.bin', mode: 0o777 });

  const long = await remetal(['files', '-l', sets, 'files1/root', 'etc/fstab', 'short link']);
  const [link, fstab] = long.stdout.trimEnd().split('\n');
  t.regex(fstab ?? '', /^-rw-r--r-- 1 0 0 +\d+ \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \/etc\/fstab$/);
  t.regex(link ?? '', /^lrwxrwxrwx 1 0 0 +9 .* \/short link -> large\.bin$/);

  const boot = await remetal(['files', sets, 'files1/boot', '--find', 'ETC/**/*.conf', '--find', 'o*']);
  t.is(boot.stdout, '/other.bin\n/etc/hosts.conf\n/etc/nginx/Upper.CONF\n/etc/nginx/nginx.conf\n');
  const fat = await remetal(['files', sets, 'files1/boot', '--json']);
  t.like(fat.last(), { how: 'reader', count: 8 });
  t.like(fat.last()['groups'], { data: 0 });

  const missing = await remetal(['files', sets, 'files1/root', '/nowhere', '--json']);
  t.is(missing.status, 2);
  t.like(missing.last(), { code: 'path-not-found' });
  t.like((await remetal(['files', sets, 'files1/none', '--json'])).last(), { code: 'volume-not-found' });
  t.is((await remetal(['files', sets, 'files1'])).status, 2, 'two volumes and none named');
  t.like((await remetal(['files', sets, 'files1/root', '--deleted', '--json'])).last(), { code: 'usage' });
  t.is((await remetal(['files', sets, 'files1/root', '--find', '[z-a]'])).status, 2);
});

requires(
  'sfdisk',
  'mke2fs',
  'debugfs',
)('what of a volume is damaged is told, with all that is not', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const disk = blank(join(folder, 'disk.raw'), 34 * MiB);
  execFileSync('sfdisk', ['-q', disk], {
    input: 'label: gpt\nstart=2048, size=65536, name=root\n',
    env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
  });
  const part = blank(join(folder, 'part'), 32 * MiB);
  run('mke2fs', '-q', '-t', 'ext4', '-L', 'root', '-d', sourceTree(join(folder, 'tree')), part);
  run('debugfs', '-w', '-R', 'set_inode_field "folder 1/a" links_count 0', part);
  run('dd', `if=${part}`, `of=${disk}`, 'bs=1M', 'seek=1', 'conv=notrunc', 'status=none');
  const sets = join(folder, 'sets');
  t.is((await remetal(['backup', '--disk', disk, '--to', sets, '--name', 'files2'])).status, 0);
  const listed = await remetal(['files', sets, 'files2', '--find', 'file-3']);
  t.is(listed.status, 3);
  t.regex(listed.stderr, /problem: \/folder 1\/a: Inode \d+ is damaged: .* \(filesystem-damaged\)/);
  t.is(listed.stdout.split('\n').length, 8);
  const json = await remetal(['files', sets, 'files2', '--json']);
  t.like(
    json.lines().find(({ type }) => type === 'problem'),
    { path: '/folder 1/a', code: 'filesystem-damaged' },
  );
  t.is(json.last()['problems'], 1);
});

requiresRoot(
  'sfdisk',
  'mke2fs',
  'mount',
)(
  'a volume that was in use when it was imaged is told and extracted in its newest state',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const part = blank(join(folder, 'part'), 40 * MiB);
    run('mke2fs', '-q', '-t', 'ext4', '-L', 'root', '-d', sourceTree(join(folder, 'tree')), part);
    const mount = join(folder, 'mounted');
    mkdirSync(mount);
    const disk = blank(join(folder, 'disk.raw'), 42 * MiB);
    execFileSync('sfdisk', ['-q', disk], {
      input: 'label: gpt\nstart=2048, size=81920, name=root\n',
      env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` },
    });
    const late = Buffer.concat([Buffer.from([0xc0, 0x3b, 0x39, 0x98]), Buffer.alloc(30_000, 'late words ')]);
    run('mount', '-o', 'loop,data=journal', part, mount);
    try {
      run('sync', '-f', mount);
      mkdirSync(join(mount, 'late'));
      writeFileSync(join(mount, 'late', 'file'), late);
      run('sync', join(mount, 'late', 'file'));
      run('dd', `if=${part}`, `of=${disk}`, 'bs=1M', 'seek=1', 'conv=notrunc', 'status=none');
    } finally {
      run('umount', mount);
    }
    const sets = join(folder, 'sets');
    t.is((await remetal(['backup', '--disk', disk, '--to', sets, '--name', 'files3'])).status, 0);
    const listed = await remetal(['files', sets, 'files3', '/late', '--json']);
    t.is(listed.status, 0, listed.stdout);
    t.like(listed.lines()[1], { path: '/late/file', size: late.length });
    t.like(listed.last(), { how: 'reader', count: 2, groups: { data: 0 } });
    const out = join(folder, 'out');
    const extracted = await remetal(['extract', sets, 'files3', '/late', '--to', out, '--json']);
    t.is(extracted.status, 0, extracted.stdout);
    t.true(readFileSync(join(out, 'late', 'file')).equals(late));
    t.like(extracted.last(), { how: 'reader' });
  },
);

requiresRoot(
  'mkfs.xfs',
  'mount',
  'umount',
  'find',
)(
  'files of a file system without a reader of its own are listed through a mount',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const image = blank(join(folder, 'image'), 64 * MiB);
    run('mkfs.xfs', '-q', '-L', 'data', image);
    const mount = join(folder, 'mounted');
    mkdirSync(mount);
    run('mount', '-o', 'loop', image, mount);
    let wanted: string[];
    try {
      run('cp', '-a', `${sourceTree(join(folder, 'tree'))}/.`, mount);
      wanted = run('find', mount, '-name', 'file-1*', '-printf', '/%P\n').trimEnd().split('\n');
    } finally {
      run('umount', mount);
    }
    const sets = join(folder, 'sets');
    t.is((await remetal(['backup', '--disk', image, '--to', sets, '--name', 'files4'])).status, 0);
    const listed = await remetal(['files', sets, 'files4', '--find', 'file-1*']);
    t.is(listed.status, 0, listed.stderr);
    t.deepEqual(listed.stdout.trimEnd().split('\n').toSorted(), wanted.toSorted());
    const json = await remetal(['files', sets, 'files4/data', '/short link', '--json']);
    t.like(json.lines()[0], { path: '/short link', kind: 'link', target: 'large.bin' });
    t.like(json.last(), { how: 'mount', count: 1 });
    t.like((await remetal(['files', sets, 'files4', '/none', '--json'])).last(), { code: 'path-not-found' });
  },
);

requires('zstd')(
  'NetWare files of a set come from its control set, the same as with all of it at hand',
  async (t: ExecutionContext) => {
    for (const [image, volume, deleted] of [
      ['c-segments', 'VOL1', 0],
      ['d-deleted', 'SYS', 46],
    ] as const) {
      const folder = temporary(t);
      const disks = manifestOf(image).files.flatMap(({ name, zst }) => {
        const path = join(folder, name);
        writeFileSync(path, unpacked(zst));
        return ['--disk', path];
      });
      const sets = join(folder, 'set');
      t.is((await remetal(['backup', ...disks, '--to', sets, '--name', image])).status, 0);
      const whole = await remetal(['files', `${sets}:${volume}`, '-l']);
      const control = await remetal(['files', sets, `${image}/${volume}`, '-l']);
      t.is(control.status, 0, control.stderr);
      t.is(control.stdout, whole.stdout);
      const json = await remetal(['files', sets, `${image}/${volume}`, '--json', '--deleted']);
      t.like(json.last(), { count: deleted, how: 'reader', groups: { data: 0 } });
      const found = await remetal(['files', sets, `${image}/${volume}`, 'many', '--find', 'f00?.txt']);
      t.regex(found.stdout, /^\/MANY\/F000\.TXT\n(\/MANY\/F00\d\.TXT\n)+$/);
    }
  },
);

anyTest('patterns of names and paths', (t) => {
  const yes = (pattern: string, ...paths: string[]): void => {
    for (const path of paths) t.true(namePattern(pattern).matches(path, false), `${pattern} ${path}`);
  };
  const no = (pattern: string, ...paths: string[]): void => {
    for (const path of paths) t.false(namePattern(pattern).matches(path, false), `${pattern} ${path}`);
  };
  yes('*.conf', '/a.conf', '/etc/.conf', '/x/.hidden.conf');
  no('*.conf', '/a.confx', '/a.conf/b', '/A.CONF');
  t.true(namePattern('*.conf').matches('/A.CONF', true));
  yes('?[a-c]+.t', '/xa+.t', '/漢c+.t');
  no('?[!a-c]+.t', '/xa+.t');
  yes('[]x]', '/]', '/x');
  yes('[a', '/[a');
  yes('a{b}$(|', '/a{b}$(|');
  yes('/etc/*', '/etc/x');
  no('/etc/*', '/etc/x/y', '/a/etc/x');
  yes('etc/**', '/etc/x/y');
  yes('**/x', '/x', '/a/b/x');
  yes('/a/**/z', '/a/z', '/a/b/c/z');
  no('/a/**/z', '/az', '/a/bz');
});

anyTest('permissions and times as they are told', (t) => {
  t.is(mode('file', 0o6751), '-rwsr-s--x');
  t.is(mode('directory', 0o1777), 'drwxrwxrwt');
  t.is(mode('file', 0o7000), '---S--S--T');
  t.is(mode('file', null, { attributes: 'RA' }), '-RA');
  t.is(momentText({ seconds: -1, nanoseconds: 5 }), '1969-12-31T23:59:59.000000005Z');
  t.is(momentText({ seconds: 4_102_444_800, nanoseconds: 0 }), '2100-01-01T00:00:00Z');
  t.is(momentText({ seconds: 2 ** 50, nanoseconds: 0 }), `@${2 ** 50}`);
});
