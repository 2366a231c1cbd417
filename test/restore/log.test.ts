import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { requiresRoot } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { silent } from '../../src/progress/index.ts';
import { withMount } from '../../src/restore/mounting.ts';
import { logBeside, logging, logIntoSystem, logName, logText, type LogFacts } from '../../src/restore/log.ts';

const startedAt = new Date('2031-02-03T04:05:06.789Z');
const name = logName(startedAt);

const facts: LogFacts = {
  startedAt,
  finishedAt: new Date('2031-02-03T04:09:00Z'),
  set: 'web1',
  setId: '6f1f8d0e-1d6b-4b5d-9a55-0d8a3c1c9b11',
  lines: [],
  report: null,
  failure: null,
};

test('the log says what was done, what is damaged and how it ended', (t) => {
  t.is(name, '20310203T040506Z-restore.log');
  const reporter = logging(silent, () => startedAt);
  reporter.notice({ level: 'warning', code: 'fallback-loader', message: 'It got a loader' });
  const text = logText({
    ...facts,
    lines: reporter.lines,
    report: {
      planHash: 'sha256:aa',
      moved: [],
      writtenBytes: 12,
      seconds: 3,
      verified: true,
      readBack: { bytes: 12, seconds: 1 },
      resumedAt: 2,
      damage: [
        {
          volume: 'root',
          extents: [{ start: 4096, length: 8192 }],
          files: [
            { path: '/etc/motd', inode: 12, part: 'data' },
            { path: null, inode: 13, part: 'metadata' },
          ],
          reason: 'record-damaged',
        },
      ],
      notices: [],
    },
  });
  t.regex(text, /^2031-02-03T04:05:06.789Z warning fallback-loader: It got a loader$/m);
  t.regex(text, /root, 8192 bytes are zeros/);
  t.regex(text, /bytes 4096 to 12287/);
  t.regex(text, /\/etc\/motd \(data\)/);
  t.regex(text, /inode 13 \(metadata\)/);
  t.regex(logText({ ...facts, failure: 'the disk has vanished' }), /^failed: the disk has vanished$/m);
});

test('a log beside the set is one file a restore', async (t) => {
  const folder = temporary(t);
  const path = await logBeside(folder, 'web1', name, 'text\n');
  t.is(readFileSync(path, 'utf8'), 'text\n');
  t.is(path, join(folder, `web1.${name}`));
});

function image(folder: string, type: string, size: number): string {
  const path = join(folder, `${type}.img`);
  writeFileSync(path, '');
  execFileSync('truncate', ['-s', String(size), path]);
  const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` };
  execFileSync(`mkfs.${type}`, ['-q', path], { env });
  return path;
}

/** Everything of a tree but what the log may change, to the nanosecond. */
function tree(root: string): string {
  const format = '%P %y %m %U %G %s %T@ %l\n';
  const out = execFileSync(
    'find',
    [root, '-path', `${root}/var/log/remetal`, '-prune', '-o', '-printf', format],
    { encoding: 'utf8' },
  );
  // A folder's own size may grow with an entry.
  return out
    .replaceAll(/^(\S* d \S+ \S+ \S+) \d+/gm, '$1')
    .split('\n')
    .toSorted()
    .join('\n');
}

for (const [type, size] of [
  ['ext4', 16 << 20],
  ['xfs', 320 << 20],
] as const) {
  requiresRoot(`mkfs.${type}`, 'losetup')(
    `the log lands in the system on ${type} and nothing else changes`,
    async (t: ExecutionContext) => {
      const folder = temporary(t);
      const place = { path: image(folder, type, size), offset: 0, size, sectorSize: 512 };
      const other = { path: image(temporary(t), type, size), offset: 0, size, sectorSize: 512 };
      const candidates = [
        { place: { ...place, path: '/nonexistent' }, type: 'fat32' },
        { place: other, type },
        { place, type },
      ];
      t.is(await logIntoSystem(candidates.slice(0, 2), name, 'x'), null);
      await withMount(place, [], async (root) => {
        execFileSync('mkdir', ['-p', join(root, 'etc'), join(root, 'var/log')]);
        writeFileSync(join(root, 'etc/fstab'), '');
        writeFileSync(join(root, 'var/log/syslog'), 'old');
        execFileSync('touch', ['-d', '@1600000000.123456789', join(root, 'var/log')]);
      });
      const before = await withMount(place, ['ro'], (root) => Promise.resolve(tree(root)));
      t.is(await logIntoSystem(candidates, name, 'what was done\n'), `/var/log/remetal/${name}`);
      await withMount(place, ['ro'], (root) => {
        t.is(readFileSync(join(root, 'var/log/remetal', name), 'utf8'), 'what was done\n');
        t.is(tree(root), before);
        return Promise.resolve();
      });
    },
  );
}
