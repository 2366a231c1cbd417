import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { z } from 'zod';
import { createLibrary, openLibrary } from '../../../src/tape/virtual/index.ts';
import { run } from '../../filesystem/fixtures.ts';
import { blankImage } from '../../helpers/server-image.ts';
import { requires } from '../../helpers/requires.ts';
import { temporary } from '../../helpers/temporary.ts';
import { manifestOf, unpacked } from '../../layout/netware/images.ts';
import { noise } from '../../restore/sets.ts';
import { remetal, type Ran } from '../run.ts';

const MiB = 1024 * 1024;
const movementsSchema = z.object({ loads: z.number(), repositionings: z.number() });
const result = (ran: Ran): Record<string, unknown> => ran.lines().find(({ type }) => type === 'result') ?? {};

const movementsOf = (ran: Ran): { loads: number; repositionings: number } =>
  movementsSchema.parse(result(ran)['movements']);

/** The address of a virtual tape drive with a cartridge in it. */
async function tape(folder: string): Promise<string> {
  const library = join(folder, 'library');
  await createLibrary(library, { drives: 1, slots: 1, cartridges: { LST001L8: { size: 256 * MiB } } });
  await (await openLibrary(library)).changer!.load(1, 0);
  return `tape+file:${library}`;
}

requires('mke2fs')(
  'a volume on a tape is listed with one way to its control set',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const address = await tape(folder);
    const tree = join(folder, 'tree');
    for (let i = 0; i < 20; i++) {
      mkdirSync(join(tree, `folder ${i}`), { recursive: true });
      for (let j = 0; j < 60; j++)
        writeFileSync(join(tree, `folder ${i}`, `file ${j}`), noise(j * 900, i * 100 + j));
    }
    const image = blankImage(join(folder, 'image'), 96 * MiB);
    run('mke2fs', '-q', '-F', '-t', 'ext4', '-d', tree, image);
    const made = await remetal(['backup', '--disk', image, '--to', address, '--name', 'tape1']);
    t.is(made.status, 0, made.stderr);
    const listed = await remetal(['files', address, 'tape1', '--json', '--find', 'file *']);
    t.is(listed.status, 0, listed.stdout.slice(-2000));
    t.like(result(listed), { count: 1200, how: 'reader', groups: { data: 0 } });
    const { loads, repositionings } = movementsOf(listed);
    t.is(loads, 1);
    t.true(repositionings <= 1, `${repositionings} repositionings`);
  },
);

requires('zstd')('NetWare volumes on a tape are listed the same way', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const address = await tape(folder);
  const disks = manifestOf('c-segments').files.flatMap(({ name, zst }) => {
    const path = join(folder, name);
    writeFileSync(path, unpacked(zst));
    return ['--disk', path];
  });
  const made = await remetal(['backup', ...disks, '--to', address, '--name', 'tape2']);
  t.is(made.status, 0, made.stderr);
  for (const [volume, count] of [
    ['SYS', 3],
    ['VOL1', 90],
  ] as const) {
    const listed = await remetal(['files', address, `tape2/${volume}`, '--json']);
    t.is(listed.status, 0, listed.stdout.slice(-2000));
    t.like(result(listed), { count, how: 'reader', groups: { data: 0 } });
    const { loads, repositionings } = movementsOf(listed);
    t.is(loads, 1);
    t.true(repositionings <= 1, `${repositionings} repositionings`);
  }
});
