import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setFileTimes } from '../../../src/system/index.ts';
import { listedByKernel, type Listed } from '../../filesystem/tree-listing.ts';
import { blankImage } from '../../helpers/server-image.ts';
import { noise } from '../../restore/sets.ts';

const MiB = 1024 * 1024;

/** Runs a program and gives what it printed. */
export function tool(program: string, ...args: string[]): string {
  return execFileSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Everything a file can be and have, made in a mounted volume. Needs root. */
export function everything(root: string, unwritten = true): void {
  const at = (...names: string[]): string => join(root, ...names);
  mkdirSync(at('folder', 'deep', 'deeper'), { recursive: true });
  for (let i = 0; i < 60; i++) writeFileSync(at('folder', `file ${i}`), noise(i * 701, i));
  writeFileSync(at('large'), noise(5 * MiB + 123, 3));
  writeFileSync(at('empty'), '');
  const holes = openSync(at('holes'), 'w');
  for (let i = 0; i < 50; i++) writeSync(holes, noise(3000, i), 0, 3000, i * 400_000 + 17);
  closeSync(holes);
  tool('truncate', '-s', '30M', at('holes'));
  writeFileSync(at('unwritten'), '');
  if (unwritten) tool('fallocate', '-l', '200000', at('unwritten'));
  linkSync(at('large'), at('folder', 'deep', 'the same'));
  linkSync(at('large'), at('again'));
  symlinkSync('folder/deep', at('link'));
  symlinkSync('/etc/passwd', at('far link'));
  symlinkSync('/', at('folder', 'to the root'));
  for (const [name, type, ...device] of [
    ['pipe', 'p'],
    ['tty', 'c', '4', '64'],
    ['disk', 'b', '259', '70000'],
  ] as const) {
    tool('mknod', at('folder', 'deep', name), type, ...device);
  }
  linkSync(at('folder', 'deep', 'pipe'), at('folder', 'deep', 'other pipe'));
  writeFileSync(Buffer.from(`${root}/b\xe4\xff\n\t name`, 'latin1'), 'bytes for a name');
  for (const name of ['a\\b', '...', '-rf', ' ', '$(reboot)', '%2E%2E']) writeFileSync(at(name), name);
  chownSync(at('folder', 'file 7'), 100_001, 4_000_000_000);
  chmodSync(at('folder', 'file 7'), 0o6751);
  tool('setfattr', '-n', 'user.note', '-v', 'here', at('folder', 'file 7'));
  tool('setfattr', '-n', 'trusted.long', '-v', 'l'.repeat(700), at('folder', 'file 7'));
  tool(
    'setfattr',
    '-n',
    'security.capability',
    '-v',
    '0x0100000200040000000000000000000000000000',
    at('empty'),
  );
  tool('setfacl', '-m', 'u:1234:rwx,g:55:-,m::rx', at('folder', 'file 7'));
  tool('setfacl', '-m', 'u:7:rx,d:u:8:rwx,d:g::r', at('folder', 'deep'));
  chmodSync(at('folder', 'deep', 'deeper'), 0o1777);
  setFileTimes(at('link'), null, { seconds: 1_111_111_111, nanoseconds: 999_999_999 });
  setFileTimes(at('large'), { seconds: 1, nanoseconds: 1 }, { seconds: 1_000_000_000, nanoseconds: 5 });
  chownSync(at('folder'), 12, 34);
  chmodSync(at('folder'), 0o500);
  utimesSync(at('folder'), 77, 88);
}

/** An image of a file system filled with `fill`, and what the kernel tells of it, mounted once more. Needs root. */
export function filledImage(
  folder: string,
  size: number,
  make: readonly string[],
  fill: (root: string) => void = everything,
  options: readonly string[] = [],
): { readonly image: string; readonly listed: Map<string, Listed> } {
  mkdirSync(folder, { recursive: true });
  const image = blankImage(join(folder, 'image'), size);
  tool(make[0]!, ...make.slice(1), image);
  const root = join(folder, 'filled');
  mkdirSync(root);
  const mounted = <T>(how: readonly string[], work: () => T): T => {
    tool('mount', '-o', ['loop', 'noatime', ...how].join(','), image, root);
    try {
      return work();
    } finally {
      tool('umount', root);
    }
  };
  mounted(options, () => fill(root));
  return { image, listed: mounted(['ro'], () => listedByKernel(root)) };
}

/** What extracting has to bring back, but for the last access, which looking changes. One line a file. */
export function comparable(listed: Map<string, Listed>): Map<string, string> {
  return new Map(
    [...listed]
      .filter(([path]) => !path.startsWith('/lost+found'))
      .map(([path, { changed: _changed, created: _created, accessed: _accessed, links, ...rest }]) => [
        path,
        JSON.stringify({ ...rest, links: rest.kind === 'directory' ? 0 : links }),
      ]),
  );
}

/** What differs between what was extracted and the original, a line each. */
export function differences(found: Map<string, Listed>, wanted: Map<string, Listed>): string[] {
  const [a, b] = [comparable(found), comparable(wanted)];
  return [...new Set([...a.keys(), ...b.keys()])]
    .filter((path) => a.get(path) !== b.get(path))
    .map((path) => `${path}: ${a.get(path)} instead of ${b.get(path)}`);
}
