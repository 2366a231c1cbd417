import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { z } from 'zod';
import { Interruption } from '../../src/cli/outcome.ts';
import { requires, requiresRoot } from '../helpers/requires.ts';
import { blankImage, serverImage } from '../helpers/server-image.ts';
import { temporary } from '../helpers/temporary.ts';
import { remetal, type RunOptions } from './run.ts';

const MiB = 1024 * 1024;
const needs = requires('sfdisk', 'mke2fs', 'e2fsck');
const planSchema = z.object({ plan: z.object({ hash: z.string(), steps: z.array(z.unknown()) }) });

interface Scene {
  readonly folder: string;
  readonly source: string;
  readonly sets: string;
  /** The one file of the set. */
  readonly file: string;
}

async function scene(t: ExecutionContext): Promise<Scene> {
  const folder = temporary(t);
  const source = serverImage(folder);
  const sets = join(folder, 'sets');
  const { status, stderr } = await remetal(['backup', '--disk', source, '--to', sets, '--name', 'web1']);
  t.is(status, 0, stderr);
  return { folder, source, sets, file: join(sets, readdirSync(sets)[0]!) };
}

function dataOf(path: string): Buffer {
  return readFileSync(path).subarray(33 * MiB, 49 * MiB);
}

needs('backup, list, show, verify, plan, restore, compare', async (t: ExecutionContext) => {
  const { folder, source, sets } = await scene(t);
  const list = await remetal(['list', sets, '--json']);
  t.like(list.last(), {
    type: 'result',
    verb: 'list',
    sets: [{ machine: 'web1', complete: true, parts: 1 }],
  });

  const show = await remetal(['show', sets]);
  t.is(show.status, 0);
  for (const words of ['web1', 'disk1', 'GPT', 'root', 'ext4', 'left out', 'free'])
    t.true(show.stdout.includes(words), words);

  const verify = await remetal(['verify', sets, '--json']);
  t.is(verify.status, 0);
  t.like(verify.last(), { verb: 'verify', sound: true, problems: [] });

  const target = blankImage(join(folder, 'new.raw'), 64 * MiB);
  const document = join(folder, 'plan.json');
  const planned = await remetal(['plan', sets, '--disk', target, '-o', document, '--json']);
  t.is(planned.status, 0);
  const { plan } = planSchema.parse(planned.last());
  t.true(readFileSync(target).equals(Buffer.alloc(64 * MiB)), 'a plan touches nothing');

  const shown = await remetal(['plan', sets, '--disk', target]);
  t.true(shown.stdout.includes(plan.hash));
  t.true(shown.stdout.includes(`${plan.steps.length}. `));

  const restored = await remetal([
    'restore',
    sets,
    '--disk',
    target,
    '--plan',
    plan.hash,
    '--verify',
    '--json',
  ]);
  t.is(restored.status, 0);
  t.like(restored.last(), { verb: 'restore', planHash: plan.hash, verified: true, damage: [] });
  t.true(restored.lines().some(({ type }) => type === 'progress'));
  t.true(dataOf(target).equals(dataOf(source)));
  const volume = join(folder, 'root.img');
  writeFileSync(volume, readFileSync(target).subarray(MiB, 33 * MiB));
  execFileSync('e2fsck', ['-fn', volume], {
    stdio: 'ignore',
    env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` },
  });

  const again = blankImage(join(folder, 'again.raw'), 64 * MiB);
  const byFile = await remetal(['restore', sets, '--disk', again, '--plan', document]);
  t.is(byFile.status, 5, 'a plan for one disk does not serve another');
  t.is((await remetal(['restore', sets, '--disk', again, '--yes', '--quiet'])).status, 0);
  t.true(dataOf(again).equals(dataOf(source)));
});

needs('at a terminal the plan is shown and the very word is wanted', async (t: ExecutionContext) => {
  const { folder, source, sets } = await scene(t);
  const target = blankImage(join(folder, 'new.raw'), 64 * MiB);
  const run = (options: RunOptions) => remetal(['restore', sets, '--disk', target], options);
  const nobody = await run({});
  t.is(nobody.status, 6);
  t.regex(nobody.stderr, /answers-missing/);
  const no = await run({ typed: 'yes\r' });
  t.is(no.status, 130);
  t.regex(no.stderr, /plan sha256:/);
  t.true(readFileSync(target).equals(Buffer.alloc(64 * MiB)));
  t.is((await run({ typed: 'restore\r' })).status, 0);
  t.true(dataOf(target).equals(dataOf(source)));
});

needs(
  'targets that do not fit are refused with their own codes, and nothing is written',
  async (t: ExecutionContext) => {
    const { folder, source, sets } = await scene(t);
    const blank = blankImage(join(folder, 'blank.raw'), 64 * MiB);
    const small = blankImage(join(folder, 'small.raw'), 40 * MiB);
    const holding = join(folder, 'holding.raw');
    copyFileSync(source, holding);
    const cases: [string[], number, string][] = [
      [['--disk', small], 5, 'target-too-small'],
      [['--disk', holding], 5, 'target-holds-data'],
      [['--disk', blank, '--sector-size', '4096'], 5, 'target-sector-size'],
      [['--disk', join(folder, 'none.raw')], 1, 'disk-not-found'],
      [['--disk', blank, '--plan', `sha256:${'0'.repeat(64)}`], 5, 'plan-mismatch'],
      [['--disk', blank, '--plan', sets], 2, 'usage'],
      [['--disk', blank, '--volume', 'frob'], 2, 'volume-not-found'],
      [['--target', 'disk1=serial:NONE'], 5, 'target-not-found'],
      [['--disk', blank, '--disk', small], 2, 'usage'],
      [[], 2, 'usage'],
    ];
    for (const [args, status, code] of cases) {
      const ran = await remetal(['restore', sets, '--yes', '--json', ...args]);
      if (args.includes(sets)) {
        t.not(ran.status, 0);
        continue;
      }
      t.like(ran.last(), { type: 'error', code, exitStatus: status }, args.join(' '));
      t.is(ran.status, status, args.join(' '));
    }
    t.true(readFileSync(blank).equals(Buffer.alloc(64 * MiB)));
    t.true(readFileSync(holding).equals(readFileSync(source)));
    const released = await remetal(['restore', sets, '--yes', '--disk', holding, '--release', holding]);
    t.is(released.status, 0, released.stderr);
  },
);

needs('what is no set, or a damaged one, ends with its own status', async (t: ExecutionContext) => {
  const { folder, sets, file } = await scene(t);
  const empty = join(folder, 'empty');
  mkdirSync(empty);
  t.like((await remetal(['list', empty, '--json'])).last(), { code: 'not-a-set', exitStatus: 10 });
  t.like((await remetal(['show', sets, '--set', 'frob', '--json'])).last(), {
    code: 'no-such-set',
    exitStatus: 10,
  });

  const bytes = readFileSync(file);
  const foreign = join(folder, 'foreign');
  mkdirSync(foreign);
  writeFileSync(join(foreign, 'x.tar'), Buffer.alloc(10_240, 7));
  t.not((await remetal(['verify', foreign, '--set', 'x'])).status, 0);

  const cut = join(folder, 'cut');
  mkdirSync(cut);
  writeFileSync(join(cut, 'web.tar'), bytes.subarray(0, Math.floor(bytes.length / 2)));
  const truncated = await remetal(['verify', cut, '--set', 'web', '--json']);
  t.is(truncated.status, 7, JSON.stringify(truncated.last()));
});

needs(
  'a record that is damaged stops a restore, or costs the files it holds and no others',
  async (t: ExecutionContext) => {
    const { folder, source, sets, file } = await scene(t);
    const bytes = readFileSync(file);
    // The noise does not compress, so the middle of the set is the middle of that file.
    bytes[Math.floor(bytes.length / 2)]! ^= 0xff;
    writeFileSync(file, bytes);
    const verify = await remetal(['verify', sets, '--json']);
    t.is(verify.status, 7);
    t.like(verify.last(), { sound: false, problems: [{ code: 'record-damaged' }] });

    const target = blankImage(join(folder, 'new.raw'), 64 * MiB);
    const stopped = await remetal(['restore', sets, '--disk', target, '--yes', '--json']);
    t.like(stopped.last(), { type: 'error', code: 'record-damaged', exitStatus: 7 });

    const finished = await remetal(['restore', sets, '--disk', target, '--yes', '--on-damage', 'go-on']);
    t.is(finished.status, 3, finished.stderr);
    t.regex(finished.stdout, /damaged: .* of data are zeros/);
    t.regex(finished.stdout, /\/noise \(data\)/);
    t.false(finished.stdout.includes('/words'));
    t.true(existsSync(source));
  },
);

needs('a stop leaves a journal, and the same command goes on', async (t: ExecutionContext) => {
  const { folder, source, sets } = await scene(t);
  const target = blankImage(join(folder, 'new.raw'), 64 * MiB);
  const stop = new AbortController();
  stop.abort(new Interruption('SIGTERM'));
  t.is((await remetal(['restore', sets, '--disk', target, '--yes'], { signal: stop.signal })).status, 143);
  const resumed = await remetal(['restore', sets, '--disk', target, '--yes', '--json']);
  t.is(resumed.status, 0, resumed.stdout);
  t.true(dataOf(target).equals(dataOf(source)));
});

needs('a backup refuses a damaged table and goes where it is told', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const source = serverImage(folder);
  const ruined = join(folder, 'ruined.raw');
  copyFileSync(source, ruined);
  const bytes = readFileSync(ruined);
  bytes.fill(0xa5, 520, 560);
  bytes.fill(0xa5, bytes.length - 500, bytes.length - 400);
  writeFileSync(ruined, bytes);
  const refused = await remetal(['backup', '--disk', ruined, '--to', join(folder, 'sets'), '--json']);
  t.is(refused.last()['code'], 'layout-damaged');
  const parts = join(folder, 'parts');
  t.is(
    (await remetal(['backup', '--disk', source, '--to', parts, '--part-size', '1M', '--name', 'web1']))
      .status,
    0,
  );
  t.true(readdirSync(parts).length > 1);
  t.is((await remetal(['verify', parts])).status, 0);
  truncateSync(join(parts, readdirSync(parts).toSorted().at(-1)!), 0);
  t.not((await remetal(['verify', parts])).status, 0);
});

requiresRoot(
  'sfdisk',
  'mke2fs',
  'losetup',
  'mount',
)('a mounted source is refused with the way out', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const source = serverImage(folder);
  const at = join(folder, 'mnt');
  mkdirSync(at);
  const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` };
  execFileSync('mount', ['-o', `loop,ro,noload,offset=${MiB},sizelimit=${32 * MiB}`, source, at], { env });
  try {
    const { status, stderr } = await remetal(['backup', '--disk', source, '--to', join(folder, 'sets')]);
    t.is(status, 5);
    t.regex(stderr, /source-mounted/);
    t.regex(stderr, /umount/);
  } finally {
    execFileSync('umount', [at], { env });
  }
});
