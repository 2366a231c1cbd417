import { createHash } from 'node:crypto';
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { z } from 'zod';
import { volumeAddress } from '../../src/cli/netware-source.ts';
import { attributeText, rightsText } from '../../src/cli/netware-words.ts';
import { extractFiles, safePath, type Extracted } from '../../src/cli/extract-files.ts';
import { openNetwareVolume } from '../../src/filesystem/netware/index.ts';
import { requires } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { named, VolumeMaker } from '../filesystem/netware/maker.ts';
import { entriesOf } from '../filesystem/netware/volumes.ts';
import { manifestOf, nssImage, unpacked } from '../layout/netware/images.ts';
import { remetal } from './run.ts';

const needs = requires('zstd');
const fileSchema = z.looseObject({ type: z.literal('file'), path: z.string() });

/** The disks of an image as files; gives their paths. */
function disks(folder: string, image: string): string[] {
  return manifestOf(image).files.map(({ name, zst }) => {
    const path = join(folder, name);
    writeFileSync(path, unpacked(zst));
    return path;
  });
}

function patch(path: string, offset: number, bytes: Buffer): void {
  const content = readFileSync(path);
  bytes.copy(content, offset);
  writeFileSync(path, content);
}

/** Bytes of volume SYS of the one-disk images begin here: partition, hotfix area, volume tables. */
const sysStart = (1008 + 2464 + 160) * 512;

/** Path and hash of every file below a folder. */
function hashes(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex');
      return `${path.slice(folder.length)} ${sha256}`;
    })
    .toSorted();
}

const expected = (image: string, volume: string, deleted: boolean): string[] =>
  entriesOf(image, volume)
    .filter((entry) => entry.type === 'file' && entry.deleted === deleted)
    .map(({ path, sha256 }) => `${path} ${sha256}`)
    .toSorted();

for (const image of ['a-basic4k', 'b-suballoc64k', 'd-deleted', 'e-long', 'f-hotfix'] as const) {
  needs(`check, files and extract: ${image}`, async (t) => {
    const folder = temporary(t);
    const [disk] = disks(folder, image);
    const checked = await remetal(['check', disk!, '--json']);
    t.is(checked.status, 0, checked.stderr);
    t.like(checked.last(), { verb: 'check', sound: true, errors: 0, warnings: 0 });
    const listed = await remetal(['files', `${disk}:SYS`]);
    const paths = entriesOf(image, 'SYS')
      .filter(({ deleted }) => !deleted)
      .map(({ path, type }) => (type === 'dir' ? `${path}/` : path));
    t.deepEqual(listed.stdout.trimEnd().split('\n').toSorted(), paths.toSorted());
    const to = join(folder, 'out');
    const extracted = await remetal(['extract', `${disk}:sys`, '--to', to]);
    t.is(extracted.status, 0, extracted.stderr);
    t.deepEqual(hashes(to), expected(image, 'SYS', false));
    for (const { path, modified } of entriesOf(image, 'SYS').filter(({ deleted }) => !deleted)) {
      t.is(statSync(join(to, path)).mtimeMs, new Date(modified!).getTime(), path);
    }
  });
}

needs('a volume on two disks; a missing disk is named', async (t) => {
  const folder = temporary(t);
  const [first, second] = disks(folder, 'c-segments');
  const to = join(folder, 'out');
  t.is((await remetal(['extract', `${first},${second}:VOL1`, '--to', to])).status, 0);
  t.deepEqual(hashes(to), expected('c-segments', 'VOL1', false));
  const apart = await remetal(['files', '--disk', first!, '--disk', second!, 'VOL1', 'public', '--json']);
  t.is(apart.status, 0, apart.stderr);
  t.true(
    apart
      .lines()
      .slice(0, -1)
      .every((line) => fileSchema.parse(line).path.startsWith('/PUBLIC')),
  );
  t.like(apart.last(), { type: 'result', verb: 'files', volume: 'VOL1', deleted: false });
  const without = await remetal(['files', `${second}:VOL1`]);
  t.is(without.status, 1);
  t.regex(without.stderr, /cannot be put together: segment 2 of 3 is missing/);
  const checked = await remetal(['check', first!]);
  t.is(checked.status, 7);
  t.regex(checked.stdout, /error: Volume VOL1 cannot be put together/);
  t.regex(checked.stdout, /VREPAIR: /);
  const both = await remetal(['files', `${first},${second}`]);
  t.is(both.status, 2);
  t.regex(both.stderr, /SYS, VOL1: name one/);
});

needs('deleted files are listed and extracted on demand', async (t) => {
  const folder = temporary(t);
  const [disk] = disks(folder, 'd-deleted');
  const listed = await remetal(['files', '--deleted', '-l', disk!]);
  t.regex(listed.stdout, /1997-03-11 14:15:16 {2}0E000003 {2}\/USERS\/ALICE\/DEL2\.DAT/);
  const to = join(folder, 'out');
  const extracted = await remetal(['extract', disk!, '--deleted', '--to', to, '--json']);
  t.is(extracted.status, 0);
  t.deepEqual(hashes(to), expected('d-deleted', 'SYS', true));
  t.like(extracted.last(), { verb: 'extract', problems: 0, written: 46 });
});

needs('long names, parts of a volume, and what is not there', async (t) => {
  const folder = temporary(t);
  const [disk] = disks(folder, 'e-long');
  const to = join(folder, 'out');
  const extracted = await remetal([
    'extract',
    disk!,
    '\\a long FILE name with spaces.text',
    '--names',
    'long',
    '--to',
    to,
  ]);
  t.is(extracted.status, 0, extracted.stderr);
  t.deepEqual(readdirSync(to), ['A Long File Name With Spaces.text']);
  const missing = await remetal(['files', disk!, 'NOSUCH', 'LOWER']);
  t.is(missing.status, 2);
  t.regex(missing.stderr, /holds no file NOSUCH\.\n.*\ncode: path-not-found/);
  t.is((await remetal(['files', disk!, '--names', 'klingon'])).status, 2);
  t.is((await remetal(['files', `${disk}:NONE`])).status, 2);
});

needs('damage: told by check, survived by files and extract', async (t) => {
  const folder = temporary(t);
  const [disk] = disks(folder, 'a-basic4k');
  patch(disk!, sysStart + 7 * 4096, Buffer.alloc(4096, 0xbd));
  const checked = await remetal(['check', disk!]);
  t.is(checked.status, 7);
  t.regex(
    checked.stdout,
    /error: The copies of the directory differ in block 0.* \(directory-copies-differ\)\n {4}VREPAIR: /,
  );
  t.regex(checked.stdout, /how much is in use cannot be told/);
  const listed = await remetal(['files', disk!]);
  t.is(listed.status, 0);
  t.regex(listed.stderr, /warning: .*`remetal check` tells them/);
  t.is((await remetal(['extract', disk!, '--to', join(folder, 'out')])).status, 0);
  t.deepEqual(hashes(join(folder, 'out')), expected('a-basic4k', 'SYS', false));
});

needs('a file that is cut off: left out, or kept with zeros', async (t) => {
  const folder = temporary(t);
  const [disk] = disks(folder, 'a-basic4k');
  const victim = entriesOf('a-basic4k', 'SYS').find(({ path }) => path === '/SYSTEM/SERVER.NLM')!;
  const entry = Buffer.from([0, 0, 0, 0, 0xff, 0xff, 0, 0]);
  for (const fat of [0, 64]) {
    const block = fat + Math.floor((victim.first_block! * 8) / 4096);
    patch(disk!, sysStart + block * 4096 + ((victim.first_block! * 8) % 4096), entry);
  }
  const left = await remetal(['extract', disk!, 'SYSTEM', '--to', join(folder, 'left')]);
  t.is(left.status, 3);
  t.regex(
    left.stderr,
    /problem: \/SYSTEM\/SERVER\.NLM: its chain of blocks is damaged, bytes from 4096 on are lost\. \(filesystem-damaged\)/,
  );
  t.false(hashes(join(folder, 'left')).some((line) => line.includes('SERVER.NLM')));
  const kept = await remetal(['extract', disk!, 'SYSTEM', '--damaged', '--to', join(folder, 'kept')]);
  t.is(kept.status, 3);
  const content = readFileSync(join(folder, 'kept/SYSTEM/SERVER.NLM'));
  t.is(content.length, 300_001);
  t.false(content.subarray(0, 4096).equals(Buffer.alloc(4096)));
  t.true(content.subarray(4096).equals(Buffer.alloc(300_001 - 4096)));
});

needs('nothing is overwritten, and no symbolic link is followed', async (t) => {
  const folder = temporary(t);
  const [disk] = disks(folder, 'a-basic4k');
  const [to, outside] = [join(folder, 'out'), join(folder, 'outside')];
  mkdirSync(join(to, 'LOGIN'), { recursive: true });
  mkdirSync(outside);
  writeFileSync(join(to, 'LOGIN/LOGIN.EXE'), 'mine');
  symlinkSync(outside, join(to, 'SYSTEM'));
  symlinkSync(join(outside, 'x'), join(to, 'ZERO.LEN'));
  const ran = await remetal(['extract', disk!, 'LOGIN', 'SYSTEM', 'ZERO.LEN', '--to', to]);
  t.is(ran.status, 3);
  t.regex(ran.stderr, /\/LOGIN\/LOGIN\.EXE is there already and was left alone\. \(file-exists\)/);
  t.is(readFileSync(join(to, 'LOGIN/LOGIN.EXE'), 'utf8'), 'mine');
  t.deepEqual(readdirSync(outside), []);
  t.true(lstatSync(join(to, 'ZERO.LEN')).isSymbolicLink());
});

requires('xz')('disks without NetWare volumes are refused by name', async (t) => {
  const folder = temporary(t);
  const nss = join(folder, 'nss.img');
  writeFileSync(nss, nssImage());
  const blank = join(folder, 'blank.img');
  writeFileSync(blank, Buffer.alloc(1024 * 1024));
  const garbage = join(folder, 'garbage.img');
  const bytes = Buffer.alloc(4 * 1024 * 1024, 'garbage ');
  bytes.fill(0, 0, 512);
  bytes.writeUInt8(0x65, 446 + 4);
  bytes.writeUInt32LE(63, 446 + 8);
  bytes.writeUInt32LE(8000, 446 + 12);
  bytes.writeUInt16LE(0xaa_55, 510);
  writeFileSync(garbage, bytes);
  for (const [path, code] of [
    [nss, /volume-not-found|netware-unknown/],
    [blank, /volume-not-found/],
    [garbage, /netware-unknown/],
  ] as const) {
    for (const args of [
      ['files', path],
      ['extract', path, '--to', join(folder, 'none')],
    ]) {
      const { status, stderr } = await remetal(args);
      t.true(status === 1 || status === 2);
      t.regex(stderr, code);
    }
    t.true([1, 2, 7].includes((await remetal(['check', path])).status), path);
  }
});

/** Extracts a made volume. */
async function takenOut(
  t: ExecutionContext,
  maker: VolumeMaker,
  deleted = false,
): Promise<{ folder: string; files: Extracted[] }> {
  const folder = join(temporary(t), 'out');
  const filesystem = await openNetwareVolume(maker.finish(), maker.definition);
  const files: Extracted[] = [];
  await extractFiles(filesystem, {
    files: deleted ? filesystem.deleted() : filesystem.walk(),
    folder,
    damaged: false,
    signal: new AbortController().signal,
    onFile: (file) => files.push(file),
  });
  return { folder, files };
}

test('names that would lead out of the folder are written harmlessly', async (t) => {
  const maker = new VolumeMaker();
  for (const [i, name] of ['..', '.', '../../X', '/ETC', 'A\u001b[2J', 'NUL\0X', ''].entries()) {
    maker.put(
      i + 1,
      named(0, 0, name, [4, 4, i % 2 === 0 ? 0x10 : 0], [52, 4, 0xff_ff_ff_ff], [120, 4, i + 1]),
    );
  }
  const { folder, files } = await takenOut(t, maker);
  t.deepEqual(readdirSync(join(folder, '..')), ['out']);
  t.is(files.length, 7);
  for (const name of readdirSync(folder, { recursive: true })) t.regex(String(name), /^[%A-Z0-9.\u005b/]+$/);
});

test('compressed, migrated, forked and doubled deleted files', async (t) => {
  const maker = new VolumeMaker({ nameSpaces: [0, 1] });
  maker.roots(20, [1]);
  const packed = Buffer.alloc(4096, 'packed');
  const fork = Buffer.from('a fork');
  maker.put(
    1,
    named(0, 0, 'PACKED', [4, 4, 0x400_0000], [48, 4, 9000], [52, 4, maker.store(packed)], [120, 4, 1]),
  );
  maker.put(2, named(0, 0, 'AWAY', [4, 4, 0x40_0000], [48, 4, 9000], [120, 4, 2]));
  maker.put(3, named(0, 0, 'FORKED', [52, 4, 0xff_ff_ff_ff], [120, 4, 3], [124, 4, 4]));
  maker.put(4, named(0, 1, 'forked', [44, 4, maker.store(fork)], [48, 4, fork.length], [120, 4, 3]));
  for (const number of [32, 33])
    maker.put(number, named(0, 0, 'TWICE', [9, 1, 0x20], [52, 4, 0xff_ff_ff_ff], [120, 4, number]));
  const { folder, files } = await takenOut(t, maker);
  t.deepEqual(readdirSync(folder).toSorted(), ['FORKED', 'FORKED.resource', 'PACKED.compressed']);
  t.deepEqual(readFileSync(join(folder, 'PACKED.compressed')), packed);
  t.deepEqual(readFileSync(join(folder, 'FORKED.resource')), fork);
  t.deepEqual(
    files.map(({ path, problem }) => [path, problem?.code ?? null]),
    [
      ['/PACKED', 'compressed'],
      ['/AWAY', 'migrated'],
      ['/FORKED', null],
      ['/FORKED', null],
    ],
  );
  const gone = await takenOut(t, maker, true);
  t.deepEqual(readdirSync(gone.folder).toSorted(), ['TWICE', 'TWICE.33']);
});

test('addresses of volumes', (t) => {
  t.deepEqual(volumeAddress('a.raw:SYS', undefined), { disks: ['a.raw'], volume: 'SYS' });
  t.deepEqual(volumeAddress('a.raw,b.raw:VOL1', undefined), { disks: ['a.raw', 'b.raw'], volume: 'VOL1' });
  t.deepEqual(volumeAddress('a.raw', undefined), { disks: ['a.raw'], volume: null });
  t.deepEqual(volumeAddress('VOL1:', ['x:y', 'z']), { disks: ['x:y', 'z'], volume: 'VOL1' });
  const folder = temporary(t);
  const odd = join(folder, 'pci-0000:00,1');
  writeFileSync(odd, '');
  t.deepEqual(volumeAddress(odd, undefined), { disks: [odd], volume: null });
  t.deepEqual(volumeAddress(`${odd}:SYS`, undefined), { disks: [odd], volume: 'SYS' });
  for (const wrong of [':SYS', 'a.raw:', 'a.raw,:SYS', ',']) {
    t.throws(() => volumeAddress(wrong, undefined), { code: 'usage' });
  }
});

test('attributes and rights are written as NetWare writes them; safe paths', (t) => {
  t.is(attributeText(0x4_00_20 + 1), 'Ro A Di');
  t.is(attributeText(0), '-');
  t.is(rightsText(0x1_fb), '[SRWCEMFA]');
  t.is(rightsText(0x41), '[RF]');
  t.is(safePath('/A/../B'), 'A/%2E%2E/B');
  t.is(safePath('/A\u0007'), 'A%07');
});
