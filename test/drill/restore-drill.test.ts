import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { openQuestions, parseAnswers } from '../../src/agent/index.ts';
import { menuSettings } from '../../src/appliance/menu.ts';
import { openSet } from '../../src/archive/index.ts';
import { backup } from '../../src/backup/index.ts';
import { memoryDisk } from '../../src/disk/index.ts';
import {
  drillAnswers,
  drillSettings,
  makeSetDisc,
  unattendedAppliance,
} from '../../src/drill/appliance-disc.ts';
import { whyNotRestored } from '../../src/drill/restore-drill.ts';
import { setFiles } from '../../src/drill/set-files.ts';
import { fileMedium } from '../../src/medium/index.ts';
import { silent } from '../../src/progress/index.ts';
import { requires } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { gpt, partitioned, setOf } from '../restore/sets.ts';
import { identityOfMemory } from '../restore/targets.ts';

const settings = menuSettings({
  defaultEntry: 'local',
  timeoutSeconds: 15,
  kernelWords: ['remetal.shell'],
  segments: ['/remetal/extra.img'],
  answers: false,
});

test('the answers of a drill leave no question open', async (t) => {
  const source = await partitioned({ size: 4 * 1024 * 1024, sectorSize: 512, table: gpt([128]) });
  const { layout } = await setOf(source, {});
  const answers = parseAnswers(JSON.stringify(drillAnswers({ name: 'web1', layout })), 'answers');
  t.deepEqual(openQuestions(answers), []);
  t.deepEqual(answers.targets, { disk1: { serial: 'DRILL-DISK1' } });
});

test('the menu of an appliance starts by itself and keeps what else it sets', (t) => {
  const changed = drillSettings(settings);
  t.regex(changed, /^set default=unattended$/m);
  t.regex(changed, /^set remetal_words="remetal\.answers=label:DRILL\/answers\.yaml"$/m);
  t.regex(changed, /^set remetal_initrd="\/remetal\/extra\.img"$/m);
  t.throws(() => drillSettings('set default=0\n'), { code: 'usage' });
});

function make(top: string, out: string): void {
  execFileSync('xorriso', ['-as', 'mkisofs', '-R', '-V', 'REMETAL', '-o', out, top], { stdio: 'ignore' });
}

requires('xorriso')('an appliance is copied with other settings, and what is none is refused', async (t) => {
  const folder = temporary(t);
  const tree = join(folder, 'tree/boot/grub');
  mkdirSync(tree, { recursive: true });
  writeFileSync(join(tree, 'settings.cfg'), settings);
  writeFileSync(join(tree, 'grub.cfg'), 'menu');
  const iso = join(folder, 'given.iso');
  make(join(folder, 'tree'), iso);
  const before = readFileSync(iso);
  const copy = await unattendedAppliance(iso, folder);
  const found = extracted(copy, '/boot/grub/settings.cfg', join(folder, 'found'));
  t.is(found, drillSettings(settings));
  t.is(extracted(copy, '/boot/grub/grub.cfg', join(folder, 'menu')), 'menu');
  t.true(readFileSync(iso).equals(before));
  mkdirSync(join(folder, 'empty'));
  make(join(folder, 'empty'), join(folder, 'other.iso'));
  await t.throwsAsync(unattendedAppliance(join(folder, 'other.iso'), temporary(t)), { code: 'usage' });
});

function extracted(iso: string, place: string, to: string): string {
  execFileSync('xorriso', ['-osirrox', 'on', '-indev', `stdio:${iso}`, '-extract', place, to], {
    stdio: 'ignore',
  });
  return readFileSync(to, 'utf8');
}

requires('xorriso')('the disc holds the files of the set and the answers', async (t) => {
  const folder = temporary(t);
  const place = join(folder, 'odd=name');
  mkdirSync(place);
  const medium = fileMedium(place, { partSize: 1024 * 1024 });
  const made: string[] = [];
  for (const seed of [1, 2]) {
    const source = memoryDisk(3 * 1024 * 1024);
    await source.write(Buffer.from(Array.from({ length: 2 ** 21 }, (_, at) => (at * at * seed) >> 5)), 0);
    const { set } = await backup({
      disks: [{ device: source, identity: identityOfMemory(source, 'source') }],
      medium,
      machine: { hostname: 'x', firmware: null, vendor: null, product: null, serial: null },
      name: `x${seed}`,
      note: '',
      allSectors: false,
      onReadError: 'stop',
      level: 0,
      now: new Date('2031-02-03T04:05:06Z'),
      reporter: silent,
    });
    made.push(set);
  }
  const reader = await openSet(medium, made[0]!);
  const files = await setFiles([place], reader);
  t.true(files.length > 1);
  t.true(files.every((file) => file.startsWith(join(place, made[0]!))));
  const disc = await makeSetDisc({ files, answers: { version: 1 }, folder });
  t.deepEqual(JSON.parse(extracted(disc, '/answers.yaml', join(folder, 'a'))), { version: 1 });
  for (const [index, file] of files.entries()) {
    const name = `/sets/${file.slice(place.length + 1)}`;
    t.is(extracted(disc, name, join(folder, `f${index}`)), readFileSync(file, 'utf8'));
  }
  const link = { setId: reader.head.setId, digest: '00', name: made[1]! };
  const chained = { name: reader.name, head: { ...reader.head, chain: [link] } };
  const all = await setFiles([place, place], chained);
  t.is(all.length, readdirSync(place).length);
  t.true(all.length > files.length);
  const [single] = files;
  t.deepEqual(await setFiles([single!], reader), [single]);
  await t.throwsAsync(setFiles(['tape:/dev/nst0'], reader), { code: 'usage' });
  await reader.close();
  await medium.close();
});

test('why the appliance did not restore is said in its own words', (t) => {
  const watched = {
    verdict: 'passed',
    seen: 'REMETAL: finished action=poweroff status=0',
    failure: null,
    seconds: 1,
    serial: '',
    screen: null,
    screenshot: null,
  } as const;
  t.is(whyNotRestored(watched), null);
  const serial = 'REMETAL: error code=record-damaged status=7 message="Record 7 is damaged." hint=x\r\n';
  const failed = { ...watched, seen: 'REMETAL: finished action=poweroff status=7', serial };
  t.regex(whyNotRestored(failed) ?? '', /Record 7 is damaged\.$/);
  t.regex(whyNotRestored({ ...failed, serial: '' }) ?? '', /status=7/);
  const dead = { code: 'kernel-panic', reason: 'The kernel has given up.' } as const;
  t.is(whyNotRestored({ ...watched, verdict: 'failed', seen: null, failure: dead }), dead.reason);
});
