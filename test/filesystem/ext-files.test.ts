import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { normalize, subtract, total } from '../../src/bytes/index.ts';
import { detect, type AffectedFile } from '../../src/filesystem/index.ts';
import { requires, requiresRoot } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { imageDevice, strip } from './devices.ts';
import { blank, run, sourceTree } from './fixtures.ts';

const MiB = 1024 * 1024;
const kinds = [
  ['ext2', '-b', '1024'],
  ['ext4', '-b', '1024'],
  ['ext4', '-b', '4096', '-O', 'inline_data', '-I', '1024'],
];

function made(
  t: ExecutionContext,
  [type = '', ...args]: string[],
  size = 64,
): { image: string; folder: string } {
  const folder = temporary(t);
  const tree = sourceTree(join(folder, 'tree'));
  for (let d = 0; d < 300; d++) mkdirSync(join(tree, 'many', `sub ${d}`), { recursive: true });
  const image = blank(join(folder, 'image'), size * MiB);
  run('mke2fs', '-q', '-F', '-t', type, ...args, '-d', tree, image);
  return { image, folder };
}

const shown = (files: readonly AffectedFile[]): string[] =>
  files.map(({ path, inode, part }) => `${inode} ${part} ${path}`);

/** Inode and every path, as `ncheck` finds them. */
function ncheck(image: string, inodes: number[]): Map<number, string[]> {
  const out = new Map<number, string[]>();
  for (const line of run('debugfs', '-R', `ncheck ${inodes.join(' ')}`, image)
    .split('\n')
    .slice(1)) {
    const [inode, path] = line.split('\t');
    if (path === undefined) continue;
    out.set(Number(inode), [...(out.get(Number(inode)) ?? []), path.replace(/^\/\//, '/')]);
  }
  return out;
}

for (const kind of kinds) {
  requires('mke2fs', 'debugfs').serial(
    `filesIn agrees with icheck and ncheck: ${kind.join(' ')}`,
    async (t: ExecutionContext) => {
      const { image } = made(t, kind);
      const blockSize = Number(kind[2]);
      const filesystem = await detect(imageDevice(t, image));
      const blocks: number[] = [];
      for (let block = 1; block < (64 * MiB) / blockSize; block += Math.floor(900_000 / blockSize / 12))
        blocks.push(block);
      const owners = run('debugfs', '-R', `icheck ${blocks.join(' ')}`, image)
        .split('\n')
        .slice(1);
      let compared = 0;
      for (const line of owners) {
        const [block, inode] = line.split('\t').map(Number);
        if (block === undefined || inode === undefined || Number.isNaN(inode)) continue;
        compared++;
        const files = await filesystem?.filesIn?.([{ start: block * blockSize + 3, length: 2 }]);
        const data = (files ?? []).filter((file) => file.inode === inode);
        t.true(data.length > 0, `block ${block} belongs to inode ${inode}`);
        const paths = ncheck(image, [inode]).get(inode) ?? [];
        const found = [...new Set(data.map(({ path }) => path))];
        t.deepEqual(found.map(String).toSorted(), paths.length > 0 ? paths.toSorted() : ['null']);
      }
      t.true(compared > 5, `${compared} blocks had owners`);
    },
  );
}

requires('mke2fs', 'debugfs').serial(
  'hard links, directories, attribute and tree blocks are told apart',
  async (t: ExecutionContext) => {
    const { image, folder } = made(t, ['ext4', '-b', '1024', '-I', '128']);
    const commands = join(folder, 'commands');
    writeFileSync(
      commands,
      [
        'ea_set other.bin user.note something',
        ...Array.from({ length: 400 }, (_, i) => `fallocate holes ${i * 4 + 1200} ${i * 4 + 1200}`),
      ].join('\n'),
    );
    run('debugfs', '-w', '-f', commands, image);
    const filesystem = await detect(imageDevice(t, image));
    const blocksOf = (path: string): string => run('debugfs', '-R', `ex "${path}"`, image);
    const first = Number(/(\d+) - +\d+ +\d+ *$/m.exec(blocksOf('/other.bin'))?.[1]);
    const linked = await filesystem?.filesIn?.([{ start: first * 1024, length: 1 }]);
    t.deepEqual(
      linked?.map(({ path, part }) => `${part} ${path}`),
      ['data /folder 3/other again.bin', 'data /other.bin'],
    );
    const note = Number(/File ACL: (\d+)/.exec(run('debugfs', '-R', 'stat /other.bin', image))?.[1]);
    t.true(note > 0);
    const attribute = await filesystem?.filesIn?.([{ start: note * 1024, length: 1024 }]);
    t.deepEqual(
      attribute?.map(({ path, part }) => `${part} ${path}`),
      ['metadata /folder 3/other again.bin', 'metadata /other.bin'],
    );
    const treeBlock = Number(/^ *1\/ *2 +\d+\/ *\d+ +\d+ - +\d+ +(\d+)/m.exec(blocksOf('/holes'))?.[1]);
    t.true(treeBlock > 0, blocksOf('/holes').slice(0, 400));
    const tree = await filesystem?.filesIn?.([{ start: treeBlock * 1024, length: 1024 }]);
    t.deepEqual(
      tree?.map(({ path, part }) => `${part} ${path}`),
      ['metadata /holes'],
    );
    const folderBlock = Number(run('debugfs', '-R', 'blocks "/folder 2/a"', image).trim().split(' ')[0]);
    const directory = await filesystem?.filesIn?.([{ start: folderBlock * 1024, length: 1024 }]);
    t.deepEqual(
      directory?.map(({ path, part }) => `${part} ${path}`),
      ['metadata /folder 2/a'],
    );
  },
);

requires('mke2fs', 'debugfs').serial(
  'files of a damaged file system are still named',
  async (t: ExecutionContext) => {
    const { image } = made(t, ['ext4', '-b', '1024']);
    const volume = imageDevice(t, image);
    const table = Number(/Inode table at (\d+)/.exec(run('dumpe2fs', image))?.[1]) * 1024;
    const record = { start: table + 4096, length: 1024 };
    const healthy = await (await detect(volume))?.filesIn?.([record]);
    t.is(healthy?.length, 4);
    volume.broken.push(record);
    const unreadable = await (await detect(volume))?.filesIn?.([record]);
    t.deepEqual(shown(unreadable ?? []), shown(healthy ?? []));
    volume.broken.push({ start: 0, length: 1024 }, { start: 2048, length: 1024 });
    t.deepEqual(
      await (await detect(volume))?.filesIn?.([record]),
      [],
      'without descriptors nothing is known',
    );
  },
);

requiresRoot('mke2fs', 'mount', 'find').serial(
  'the control set is enough to mount and walk the tree',
  async (t: ExecutionContext) => {
    for (const kind of kinds) {
      const { image, folder } = made(t, kind);
      const volume = imageDevice(t, image);
      const filesystem = await detect(volume);
      const control = (await filesystem?.controlSet()) ?? [];
      const mounted = join(folder, 'mounted');
      mkdirSync(mounted, { recursive: true });
      const walk = (): string => {
        run(
          'mount',
          '-t',
          kind[0] ?? '',
          '-o',
          `loop,ro${kind[0] === 'ext4' ? ',noload' : ''}`,
          image,
          mounted,
        );
        try {
          return run('find', mounted, '-printf', '%P %y %s %m %n %u %T@ %l\n');
        } finally {
          run('umount', mounted);
        }
      };
      const before = walk();
      const map = await filesystem?.usedMap();
      t.true(total(control) < total(map?.used ?? []));
      t.deepEqual(subtract(control, normalize(map?.used ?? [])), []);
      strip(image, volume.size, control);
      t.is(walk(), before, kind.join(' '));
    }
  },
);

requires('mke2fs', 'debugfs').serial(
  'of a journal that must be replayed what that takes is in the control set, or all of one that makes no sense',
  async (t: ExecutionContext) => {
    const { image } = made(t, ['ext4', '-b', '1024'], 96);
    const control = async (): Promise<number> =>
      total((await (await detect(imageDevice(t, image)))?.controlSet()) ?? []);
    const clean = await control();
    run('debugfs', '-w', '-R', 'feature needs_recovery', image);
    t.is(await control(), clean, 'there is nothing in the log');
    const first = Number(run('debugfs', '-R', 'bmap <8> 0', image).trim());
    run(
      'dd',
      'if=/dev/zero',
      `of=${image}`,
      'bs=1024',
      `seek=${first}`,
      'count=1',
      'conv=notrunc',
      'status=none',
    );
    t.true((await control()) >= clean + 4 * MiB - 4096);
  },
);
