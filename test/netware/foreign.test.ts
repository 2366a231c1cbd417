import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requires } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { codes, foreignImage, nssImage, readDisks, readerPath, unlike } from './reader.ts';

const test = requires('python3', 'zstd');

for (const name of ['a-basic4k', 'b-suballoc64k', 'c-segments', 'd-deleted', 'e-long', 'f-hotfix']) {
  test(`the third-party image ${name} reads exactly as its manifest says`, (t) => {
    const { paths, manifest } = foreignImage(temporary(t), name);
    const { status, output, stderr } = readDisks(paths);
    t.is(stderr, '');
    t.is(status, 0);
    t.deepEqual(unlike(manifest, output), []);
  });
}

test('the order of the disks is of no matter', (t) => {
  const { paths, manifest } = foreignImage(temporary(t), 'c-segments');
  const { status, output } = readDisks(paths.toReversed());
  t.is(status, 0);
  t.deepEqual(unlike({ ...manifest, partitions: manifest.partitions.toReversed() }, output), []);
});

test('a volume with a segment on a disk that is not there is refused by name', (t) => {
  const { paths } = foreignImage(temporary(t), 'c-segments');
  const { status, output } = readDisks(paths.slice(0, 1));
  t.is(status, 1);
  t.deepEqual(codes(output.findings), ['segments']);
  t.deepEqual(Object.keys(output.volumes), ['SYS']);
});

test('mirror FAT and mirror directory serve as well as the primary ones', (t) => {
  const { paths, manifest } = foreignImage(temporary(t), 'f-hotfix');
  const { status, output } = readDisks(paths, ['--mirror']);
  t.is(status, 0);
  t.deepEqual(unlike(manifest, output), []);
});

test('files are extracted with their content, deleted ones apart', (t) => {
  const folder = temporary(t);
  const { paths, manifest } = foreignImage(folder, 'd-deleted');
  const out = join(folder, 'out');
  execFileSync('python3', [readerPath, '--extract', out, ...paths], { stdio: 'ignore' });
  const files = manifest.volumes['SYS']!.entries.filter(({ type }) => type === 'file');
  t.true(files.length > 100);
  for (const { path, deleted, dirno, sha256 } of files) {
    const content = readFileSync(join(out, deleted ? `SYS.deleted${path};${dirno}` : `SYS${path}`));
    t.is(createHash('sha256').update(content).digest('hex'), sha256!);
  }
});

requires('python3', 'xz')('an NSS disk is refused by name', (t) => {
  const path = join(temporary(t), 'nss.img');
  writeFileSync(path, execFileSync('xz', ['-dc', nssImage]));
  const { status, output } = readDisks([path]);
  t.is(status, 1);
  t.deepEqual(codes(output.findings), ['no-partition', 'nss']);
});
