import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { z } from 'zod';
import { lastDrill } from '../../src/drill/index.ts';
import { bootSector } from '../drill/boot-sector.ts';
import { requires } from '../helpers/requires.ts';
import { blankImage } from '../helpers/server-image.ts';
import { temporary } from '../helpers/temporary.ts';
import { remetal } from './run.ts';

async function backedUp(folder: string, first: Buffer): Promise<string> {
  const disk = blankImage(join(folder, 'disk.raw'), 2 ** 20);
  writeFileSync(disk, first, { flag: 'r+' });
  const place = join(folder, 'sets');
  const state = join(folder, 'state');
  const ran = await remetal(['backup', '--disk', disk, '--to', place, '--name', 'web1'], {
    environment: { REMETAL_STATE: state },
  });
  if (ran.status !== 0) throw new Error(ran.stderr);
  return place;
}

const small = ['--accelerator', 'tcg', '--memory', '128M', '--cpus', '1', '--timeout', '90'];
const resultSchema = z.looseObject({ verdict: z.string(), seen: z.string(), proof: z.string() });

requires('qemu-system-x86_64')(
  'a drill ends with 0 where the machine came up, and its proof is kept',
  async (t) => {
    const folder = temporary(t);
    const place = await backedUp(folder, bootSector('\r\nweb1 login: '));
    const environment = { REMETAL_STATE: join(folder, 'state') };
    const ran = await remetal(['--json', 'drill', place, 'web1', ...small], { environment });
    t.is(ran.status, 0, ran.stdout);
    const { proof, seen } = resultSchema.parse(ran.last());
    t.is(seen, 'web1 login:');
    t.true(proof.startsWith(place));
    t.regex(readFileSync(join(proof, 'serial.log'), 'utf8'), /web1 login/);
    t.true(existsSync(join(proof, 'screen.png')));
    const [set] = readdirSync(place).filter((name) => name.endsWith('.tar'));
    t.is((await lastDrill(place, set!.replace('.tar', ''), join(folder, 'state')))?.verdict, 'passed');
    const other = await remetal(['drill', place, 'web1', ...small, '--expect', 'web\\d', '--disk', 'disk1'], {
      environment,
    });
    t.is(other.status, 0, other.stderr);
    t.regex(other.stdout, /came up after .*\nproof: /s);
  },
);

requires('qemu-system-x86_64')('a drill that fails has a status and a reason of its own', async (t) => {
  const folder = temporary(t);
  const place = await backedUp(folder, Buffer.alloc(512));
  const environment = { REMETAL_STATE: join(folder, 'state') };
  const ran = await remetal(['drill', place, 'web1', ...small], { environment });
  t.is(ran.status, 9);
  t.regex(ran.stderr, /found no boot loader/);
  t.regex(ran.stderr, /code: drill-failed/);
  const [set] = readdirSync(place).filter((name) => name.endsWith('.tar'));
  const kept = await lastDrill(place, set!.replace('.tar', ''), join(folder, 'state'));
  t.is(kept?.failure?.code, 'no-boot-loader');
});

test('what a drill cannot do is refused before a machine is started', async (t) => {
  const folder = temporary(t);
  const place = await backedUp(folder, Buffer.alloc(512));
  const environment = { REMETAL_STATE: join(folder, 'state') };
  const refused: readonly (readonly [...string[]])[] = [
    ['web1/root'],
    ['web1', 'more'],
    ['web1', '--expect', 'x', '--probe', 'tcp:22'],
    ['web1', '--expect', '('],
    ['web1', '--probe', '22'],
    ['web1', '--appliance', 'x.iso'],
    ['web1', '--restore', '--appliance', join(folder, 'none.iso')],
    ['web1', '--disk', 'disk7'],
    ['web1', '--controller', 'floppy'],
  ];
  for (const words of refused) {
    const ran = await remetal(['drill', place, ...words], { environment });
    t.is(ran.status, 2, `${words.join(' ')}: ${ran.stderr}`);
  }
  t.deepEqual(
    readdirSync(place).filter((name) => name.endsWith('.drill')),
    [],
  );
});
