import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { openSet } from '../../../src/archive/index.ts';
import { detect } from '../../../src/filesystem/index.ts';
import { tapeMedium } from '../../../src/medium/index.ts';
import { extract, type Extracted } from '../../../src/mount/extract/index.ts';
import { setVolume } from '../../../src/mount/index.ts';
import type { OpenTape } from '../../../src/system/index.ts';
import { openCartridges, passingInventory, TapeDrive } from '../../../src/tape/index.ts';
import { createLibrary, openLibrary } from '../../../src/tape/virtual/index.ts';
import { blankImage } from '../../helpers/server-image.ts';
import { requires } from '../../helpers/requires.ts';
import { temporary } from '../../helpers/temporary.ts';
import { tool } from '../../mount/extract/volumes.ts';
import { noise } from '../../restore/sets.ts';
import { remetal } from '../run.ts';

const MiB = 1024 * 1024;
const folders = 30;
const filesEach = 50;

interface Scene {
  readonly library: string;
  readonly address: string;
  readonly tree: string;
  /** 200 paths scattered over the volume, in no order of the medium. */
  readonly paths: string[];
}

/** A set of an ext4 with 1500 files of incompressible bytes on a virtual tape. */
async function scene(t: ExecutionContext): Promise<Scene> {
  const folder = temporary(t);
  const library = join(folder, 'library');
  await createLibrary(library, { drives: 1, slots: 1, cartridges: { WEB001L8: { size: 256 * MiB } } });
  await (await openLibrary(library)).changer!.load(1, 0);
  const tree = join(folder, 'tree');
  const all: string[] = [];
  for (let i = 0; i < folders; i++) {
    mkdirSync(join(tree, `folder ${i}`), { recursive: true });
    for (let j = 0; j < filesEach; j++) {
      const path = `folder ${i}/file ${j}`;
      writeFileSync(join(tree, path), noise(20_000 + ((i * 31 + j * 17) % 40) * 1000, i * 100 + j));
      all.push(`/${path}`);
    }
  }
  const image = blankImage(join(folder, 'image'), 128 * MiB);
  tool('mke2fs', '-q', '-F', '-t', 'ext4', '-d', tree, image);
  const address = `tape+file:${library}`;
  const made = await remetal(['backup', '--disk', image, '--to', address, '--name', 'web1']);
  t.is(made.status, 0, made.stderr);
  const paths = Array.from({ length: 200 }, (_, i) => all[(i * 787) % all.length]!);
  return { library, address, tree, paths };
}

requires('mke2fs')('200 scattered files come off a tape in one pass', async (t: ExecutionContext) => {
  const { library, address, tree, paths } = await scene(t);

  const out = join(temporary(t), 'out');
  const list = join(temporary(t), 'list');
  writeFileSync(list, paths.join('\n'));
  const ran = await remetal(['extract', address, 'web1', '--from', list, '--to', out, '--json']);
  t.is(ran.status, 0, ran.stdout.slice(-2000));
  t.like(
    ran.lines().find(({ type }) => type === 'result')!,
    { problems: 0, files: 200, movements: { loads: 1 } },
  );
  for (const path of paths)
    t.true(readFileSync(join(out, path)).equals(readFileSync(join(tree, path))), path);

  // The same once more, with every place the tape is sent to and every block that is read noted.
  const drive = (await openLibrary(library)).drives[0]!;
  const moves: string[] = [];
  const sent: number[] = [];
  let blocks = 0;
  const open: OpenTape = async (access) => {
    const device = await drive.open(access);
    return {
      name: device.name,
      read: (target) => {
        blocks++;
        return device.read(target);
      },
      write: (block) => device.write(block),
      operate: async (operation, count) => {
        if (operation === 'SEEK') sent.push(count ?? 0);
        if (['SEEK', 'REW', 'FSF', 'BSF', 'FSR', 'BSR', 'EOM'].includes(operation)) moves.push(operation);
        await device.operate(operation, count);
      },
      status: () => device.status(),
      tell: () => device.tell(),
      command: (request) => device.command(request),
      close: () => device.close(),
    };
  };
  const medium = tapeMedium({
    name: address,
    buffering: { bytes: 32 * MiB, start: 0.9 },
    open: () =>
      Promise.resolve(
        openCartridges({
          drive: new TapeDrive('virtual', open),
          changer: null,
          operator: null,
          inventory: passingInventory(),
          tell: () => {},
        }),
      ),
  });
  const reader = await openSet(medium, (await medium.list())[0]!.name);
  const device = setVolume(reader, 'disk1.whole');
  await device.loadControl();
  const fileTree = await (await detect(device))!.tree!();
  const before = { ...medium.movements!() };
  [moves.length, sent.length, blocks] = [0, 0, 0];
  const told: Extracted[] = [];
  const second = join(temporary(t), 'second');
  await extract({ tree: fileTree, volume: device, paths, folder: second, onFile: (file) => told.push(file) });
  t.is(told.filter(({ problem }) => problem === null).length, 200);
  for (const path of paths)
    t.true(readFileSync(join(second, path)).equals(readFileSync(join(tree, path))), path);
  t.true(
    moves.every((move) => move === 'SEEK' || move === 'FSR'),
    moves.join(' '),
  );
  t.deepEqual(
    sent,
    sent.toSorted((a, b) => a - b),
    'only forward',
  );
  const { dataGroups } = device.statistics();
  const { repositionings } = medium.movements!();
  t.log(
    `${dataGroups} groups, ${blocks} blocks read, ${repositionings - before.repositionings} repositionings`,
  );
  // The whole span is shorter than what pays for a jump: at most one to where it begins.
  t.true(repositionings - before.repositionings <= 1, `${repositionings} after ${before.repositionings}`);
  // No block twice: those of the groups, what lies between them, and what was read ahead of the last.
  const ofVolume = reader.index('disk1.whole').groupCount;
  t.true(blocks <= ofVolume + 32, `${blocks} blocks for ${ofVolume} groups`);
  await device.close();
  await reader.close();
  await medium.close();
});
