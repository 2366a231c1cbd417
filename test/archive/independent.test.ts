import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { execa } from 'execa';
import { fileMedium, memoryMedium, type Medium } from '../../src/medium/index.ts';
import { flipped, membersOf } from '../damaged/members.ts';
import { requires } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { groupBytes, keptBytes, testVolume, writeSet } from './sets.ts';
import { GroupIndex } from '../../src/archive/index.ts';

const reader = fileURLToPath(new URL('../../tools/remetal-reader.py', import.meta.url));

async function python(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  const { exitCode, stdout, stderr } = await execa('python3', [reader, ...args], { reject: false });
  return { status: exitCode ?? -1, stdout, stderr };
}

const one = testVolume('disk1.part1', 7, 8);
const two = testVolume('disk1.part2', 9, 5);

requires('python3', 'zstd')(
  'the independent reader verifies a set and rebuilds its volumes',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    await writeSet(fileMedium(folder), [one, two]);
    const file = join(folder, 'set.tar');
    const verified = await python('verify', file);
    t.is(verified.status, 0, verified.stderr);
    t.regex(verified.stdout, /sound/);
    for (const volume of [one, two]) {
      const out = join(folder, volume.map.volume);
      const rebuilt = await python('rebuild', file, volume.map.volume, out);
      t.is(rebuilt.status, 0, rebuilt.stderr);
      t.true((await readFile(out)).equals(keptBytes(volume)));
    }
    t.regex((await python('list', file)).stdout, /1 layout/);
    t.is(JSON.parse((await python('show', file)).stdout).head.name, 'web1');
  },
);

requires('python3', 'zstd')(
  'the independent reader follows a set over its parts',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    await writeSet(fileMedium(folder, { partSize: 256 * 1024 }), [one, two], { level: 0 });
    t.true((await readdir(folder)).length > 2);
    const out = join(folder, 'volume');
    t.is((await python('verify', join(folder, 'set.tar'))).status, 0);
    t.is((await python('rebuild', join(folder, 'set.tar'), 'disk1.part2', out)).status, 0);
    t.true((await readFile(out)).equals(keptBytes(two)));
  },
);

requires('python3', 'zstd')(
  'the independent reader finds damage and restores the rest',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const medium = memoryMedium();
    await writeSet(medium, [one]);
    const part = medium.bytes('set')[0]!;
    const file = join(folder, 'set.tar');
    const members = membersOf(part);
    const cases = [
      ['layout', 'header'],
      ['map.zst', 'payload'],
      ['data.zst', 'payload'],
      ['end', 'header'],
    ] as const;
    for (const [kind, region] of cases) {
      const member = members.find((candidate) => candidate.kind === kind)!;
      await writeFile(file, flipped(part, member.regions[region].start + 20));
      t.is((await python('verify', file)).status, 1, kind);
      const out = join(folder, 'volume');
      const rebuilt = await python('rebuild', file, 'disk1.part1', out);
      const whole = (await readFile(out)).equals(keptBytes(one));
      t.is(whole, kind !== 'data.zst', `${kind}: ${rebuilt.stderr}`);
    }
    await writeFile(file, part.subarray(0, members.at(-4)!.start));
    t.is((await python('verify', file)).status, 1);
  },
);

async function extracted(t: ExecutionContext, medium: Medium, folder: string): Promise<string> {
  await writeSet(medium, [one]);
  const listed = await execa('tar', ['-tvf', join(folder, 'set.tar')]);
  t.is(listed.stderr, '', 'tar has nothing to complain of');
  t.regex(listed.stdout, /set\/0000000001\.layout\.json$/m);
  const taken = await execa('tar', ['-xf', join(folder, 'set.tar'), '-C', folder]);
  t.is(taken.stderr, '');
  return join(folder, 'set');
}

requires('tar', 'zstd')(
  'GNU tar lists and extracts a set, and zstd unpacks its groups',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const place = await extracted(t, fileMedium(folder), folder);
    const index = new GroupIndex(one.map);
    const files = (await readdir(place)).toSorted();
    const head = JSON.parse(await readFile(join(place, '0000000000.head.json'), 'utf8'));
    t.is(head.name, 'web1');
    for (let i = 0; i < index.groupCount; i++) {
      const name = files.find((file) => file.startsWith(String(3 + i).padStart(10, '0')))!;
      const path = join(place, name);
      const expected = groupBytes(one, index, i);
      if (name.endsWith('.zeros')) {
        t.is((await stat(path)).size, 0);
        t.true(expected.every((byte) => byte === 0));
      } else if (name.endsWith('.zst')) {
        const { stdout } = await execa('zstd', ['-dcq', path], { encoding: 'buffer' });
        t.true(expected.equals(stdout), name);
      } else t.true((await readFile(path)).equals(expected), name);
    }
  },
);
