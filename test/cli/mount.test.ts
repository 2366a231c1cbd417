import {
  readdirSync,
  readFileSync,
  writeFileSync,
  mkdirSync,
  copyFileSync,
  existsSync,
  renameSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { knownMounts } from '../../src/mount/mount-state.ts';
import { isRunning } from '../../src/system/index.ts';
import { requiresRoot } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { leftovers, listing, listingOf, madeImage, tool } from '../mount/images.ts';
import { remetal, type Ran } from './run.ts';

interface Scene {
  readonly folder: string;
  readonly image: string;
  readonly sets: string;
  readonly at: string;
  readonly environment: Record<string, string>;
  readonly run: (...args: string[]) => Promise<Ran>;
}

async function scene(t: ExecutionContext, filesystem: string, image?: string): Promise<Scene> {
  const folder = temporary(t);
  const environment = { REMETAL_RUN: join(folder, 'run'), REMETAL_STATE: join(folder, 'state') };
  const run = (...args: string[]): Promise<Ran> => remetal(args, { environment });
  const made = image ?? madeImage(folder, filesystem);
  const sets = join(folder, 'sets');
  const { status, stderr } = await run('backup', '--disk', made, '--to', sets, '--name', 'web1');
  t.is(status, 0, stderr);
  const at = join(folder, 'mounted');
  mkdirSync(at);
  return { folder, image: made, sets, at, environment, run };
}

function nothingLeft(t: ExecutionContext, { folder, environment }: Scene): void {
  t.deepEqual(leftovers(folder), []);
  t.deepEqual(readdirSync(join(environment['REMETAL_RUN']!, 'mounts')), []);
}

const needsOf = {
  ext4: ['mkfs.ext4'],
  xfs: ['mkfs.xfs'],
  btrfs: ['mkfs.btrfs'],
  ntfs: ['mkfs.ntfs', 'ntfs-3g'],
} as const;

for (const filesystem of ['ext4', 'xfs', 'btrfs', 'ntfs'] as const) {
  requiresRoot('losetup', 'mount', ...needsOf[filesystem]).serial(
    `${filesystem}: a mounted set shows every file as it was, and umount leaves nothing`,
    async (t) => {
      const here = await scene(t, filesystem);
      const { sets, at, run, environment } = here;
      const mounted = await run('mount', sets, 'web1', at, '--json');
      t.is(mounted.status, 0, mounted.stdout + mounted.stderr);
      t.like(mounted.last(), { verb: 'mount', folder: at, writable: false, filesystem, replay: false });
      t.deepEqual(listing(at), listingOf(here.image, filesystem, here.folder));
      t.throws(() => writeFileSync(join(at, 'new'), ''), { code: 'EROFS' });
      const listed = await run('mount', '--json');
      t.like(listed.last(), { mounts: [{ folder: at, condition: 'mounted', warnings: [] }] });
      const [known] = await knownMounts(environment);
      const gone = await run('umount', at);
      t.is(gone.status, 0, gone.stderr);
      t.deepEqual(readdirSync(at), []);
      t.false(await isRunning(known!.state.server!));
      nothingLeft(t, here);
      const again = await run('umount', at);
      t.is(again.status, 2);
      t.regex(again.stderr, /not-mounted/);
    },
  );
}

const needs = requiresRoot('losetup', 'mount', 'mkfs.ext4');

/** Requests of reading that a block device has had, once it has none under way. */
async function readsOf(device: string): Promise<number> {
  const facts = (name: string): number[] =>
    readFileSync(`/sys/block/${basename(device)}/${name}`, 'utf8')
      .trim()
      .split(/\s+/)
      .map(Number);
  while (facts('inflight').some((count) => count > 0)) await delay(10);
  return facts('stat')[0]!;
}

needs.serial(
  'what the first listing reads is in the cache of the device when the mount is made',
  async (t) => {
    const here = await scene(t, 'ext4');
    const { sets, at, run } = here;
    const mounted = await run('mount', sets, 'web1', at, '--json');
    const device = String(mounted.last()['device']);
    const before = await readsOf(device);
    t.regex(tool('ls', '-lR', at), /large/);
    t.is(await readsOf(device), before);
    readFileSync(join(at, 'large'));
    t.true((await readsOf(device)) > before, 'data is not read before it is wanted');
    t.is((await run('umount', at)).status, 0);
    nothingLeft(t, here);
  },
);

needs.serial('the server killed: umount clears everything, although a file is open', async (t) => {
  const here = await scene(t, 'ext4');
  const { sets, at, run, environment } = here;
  t.is((await run('mount', sets, 'web1', at)).status, 0);
  const [known] = await knownMounts(environment);
  process.kill(known!.state.server!.pid, 'SIGKILL');
  t.throws(() => readFileSync(join(at, 'large')), { code: 'EIO' });
  const listed = await run('mount');
  t.regex(listed.stdout, /dead/);
  const gone = await run('umount', at);
  t.is(gone.status, 0, gone.stderr);
  t.regex(gone.stderr, /had ended before it was asked to/);
  t.deepEqual(readdirSync(at), []);
  nothingLeft(t, here);
});

needs.serial('what is written is there until umount, and nowhere afterwards', async (t) => {
  const here = await scene(t, 'ext4');
  const { sets, at, run } = here;
  const [file] = readdirSync(sets);
  const before = readFileSync(join(sets, file!));
  t.is((await run('mount', sets, 'web1', at, '--writable')).status, 0);
  writeFileSync(join(at, 'new'), 'new words');
  writeFileSync(join(at, 'large'), 'short');
  tool('sync', '-f', at);
  t.is(readFileSync(join(at, 'new'), 'utf8'), 'new words');
  t.is((await run('umount', at)).status, 0);
  t.true(readFileSync(join(sets, file!)).equals(before), 'the set is as it was');
  t.is((await run('mount', sets, 'web1', at)).status, 0);
  t.false(existsSync(join(at, 'new')));
  t.is((await run('umount', at)).status, 0);
  nothingLeft(t, here);
});

needs.serial('what is written is kept in a file when asked, and there again the next time', async (t) => {
  const here = await scene(t, 'ext4');
  const { sets, at, run, folder } = here;
  const kept = join(folder, 'keep', 'fixes');
  const mounted = ['mount', sets, 'web1', at, '--writable', '--keep', kept];
  t.regex((await run(...mounted)).stderr, /overlay-unusable/, 'its folder is not there');
  mkdirSync(join(folder, 'keep'));
  const first = await run(...mounted);
  t.is(first.status, 0, first.stderr);
  writeFileSync(join(at, 'new'), 'new words');
  writeFileSync(join(at, 'large'), 'short');
  renameSync(join(folder, 'keep'), join(folder, 'away'));
  const refused = await run('umount', at);
  t.regex(refused.stderr, /overlay-unusable/);
  t.like((await run('mount', '--json')).last(), { mounts: [{ condition: 'unmounted', keep: kept }] });
  renameSync(join(folder, 'away'), join(folder, 'keep'));
  const gone = await run('umount', at);
  t.is(gone.status, 0, gone.stderr);
  t.true(gone.stdout.includes(`what was written is in ${kept}`), gone.stdout);
  nothingLeft(t, here);

  t.is((await run(...mounted)).status, 0);
  t.is(readFileSync(join(at, 'new'), 'utf8'), 'new words');
  t.is(readFileSync(join(at, 'large'), 'utf8'), 'short');
  writeFileSync(join(at, 'second'), '');
  t.is((await run('umount', at, '--force')).status, 0);
  t.is((await run(...mounted)).status, 0);
  t.false(existsSync(join(at, 'second')), 'thrown away by force');
  t.is((await run('umount', at)).status, 0);
  t.like((await run('mount', sets, 'web1', at, '--keep', kept, '--json')).last(), { code: 'usage' });
  t.deepEqual(readdirSync(join(folder, 'keep')), ['fixes']);
  nothingLeft(t, here);
});

needs.serial(
  'the journal of a volume imaged while in use is replayed, and shows what was written last',
  async (t) => {
    const folder = temporary(t);
    const dirty = join(folder, 'dirty.img');
    madeImage(folder, 'ext4', (root) => {
      mkdirSync(join(root, 'late'));
      for (let i = 0; i < 20; i++) writeFileSync(join(root, 'late', `file-${i}`), `words ${i}\n`);
      tool('sync', '-f', root);
      // In the journal and not yet at home: as a power cut would leave it.
      copyFileSync(join(folder, 'ext4.img'), dirty);
    });
    t.regex(tool('dumpe2fs', '-h', dirty), /needs_recovery/);
    const here = await scene(t, 'ext4', dirty);
    const { sets, at, run } = here;
    const mounted = await run('mount', sets, 'web1', at, '--json');
    t.is(mounted.status, 0, mounted.stdout);
    t.like(mounted.last(), { replay: true, writable: false });
    t.is(readdirSync(join(at, 'late')).length, 20);
    t.is(readFileSync(join(at, 'late', 'file-7'), 'utf8'), 'words 7\n');
    t.throws(() => writeFileSync(join(at, 'new'), ''), { code: 'EROFS' });
    t.is((await run('umount', at)).status, 0);
    nothingLeft(t, here);
  },
);

needs.serial('a mount that somebody else took away is told as such, and cleared', async (t) => {
  const here = await scene(t, 'ext4');
  const { sets, at, run } = here;
  t.is((await run('mount', sets, 'web1', at)).status, 0);
  tool('umount', at);
  tool('mount', '-t', 'tmpfs', 'none', at);
  try {
    t.like((await run('mount', '--json')).last(), { mounts: [{ condition: 'unmounted' }] });
    t.is((await run('umount', at)).status, 0);
    writeFileSync(join(at, 'not of ours'), '');
  } finally {
    tool('umount', at);
  }
  nothingLeft(t, here);
});

needs.serial('a folder in use stays mounted, and goes with --force', async (t) => {
  const here = await scene(t, 'ext4');
  const { sets, at, run } = here;
  t.is((await run('mount', sets, 'web1', at)).status, 0);
  const before = process.cwd();
  process.chdir(at);
  try {
    const refused = await run('umount', at);
    t.is(refused.status, 1);
    t.regex(refused.stderr, /in use/);
    t.true(existsSync(join(at, 'large')));
  } finally {
    process.chdir(before);
  }
  t.is((await run('umount', at, '--force')).status, 0);
  nothingLeft(t, here);
});

needs.serial('what cannot be mounted is refused in plain words, and leaves nothing', async (t) => {
  const here = await scene(t, 'ext4');
  const { sets, at, run, folder } = here;
  const cases: [string[], string][] = [
    [[sets, 'web2', at], 'not-a-set'],
    [[sets, 'web1/other', at], 'volume-not-found'],
    [[sets, 'web1', join(folder, 'nowhere')], 'usage'],
    [[sets, 'web1', folder], 'usage'],
    [[at], 'usage'],
  ];
  for (const [words, code] of cases) {
    const { last } = await run('mount', ...words, '--json');
    t.is(last()['code'], code, words.join(' '));
  }
  t.deepEqual(leftovers(folder), []);
  t.is((await run('mount', sets, 'web1', at)).status, 0);
  t.is((await run('mount', sets, 'web1', at, '--json')).last()['code'], 'mount-failed');
  t.is((await run('umount', at)).status, 0);
  nothingLeft(t, here);
});
