import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { stringify } from 'yaml';
import { keyOf, madeOnce } from '../harness/index.ts';
import type { Rig } from './rig.ts';

const top = join(import.meta.dirname, '../..');

export interface ProductResult {
  readonly status: number;
  readonly output: string;
}

/** Runs `./remetal` as a user does. Never throws for its exit status. */
export async function remetal(rig: Rig, args: readonly string[]): Promise<ProductResult> {
  const { exitCode, all } = await execa(join(top, 'remetal'), args, {
    all: true,
    reject: false,
    stdin: 'ignore',
  });
  writeFileSync(join(rig.logs, `remetal-${args[0]}.log`), `remetal ${args.join(' ')}\n${all}\n`);
  return { status: exitCode ?? 1, output: all };
}

/** The same, for what has to succeed. */
export async function remetalOk(rig: Rig, args: readonly string[]): Promise<string> {
  const { status, output } = await remetal(rig, args);
  if (status !== 0) throw new Error(`remetal ${args[0]} ended with ${status}: ${output.slice(-2000)}`);
  return output;
}

/**
 * The appliance with these answers baked in, or with none; built once for each in a run. One at a time: all of them
 * are put together from the same parts, which the first build makes.
 */
export async function appliance(rig: Rig, answers: unknown): Promise<string> {
  const text = answers === null ? '' : stringify(answers);
  const iso = join(rig.shared, `appliance-${keyOf(text)}.iso`);
  return await madeOnce(iso, join(rig.shared, 'appliance.lock'), async () => {
    rig.tell(answers === null ? 'building the appliance' : 'building the appliance with answers');
    const baked: string[] = [];
    if (answers !== null) {
      const file = join(rig.scratch, 'answers.yaml');
      writeFileSync(file, text);
      baked.push('--answers', file);
    }
    // Somebody who is to choose in the menu needs the time to.
    const quick = ['--compression', 'quick', '--no-netboot', '--timeout', answers === null ? '60' : '2'];
    await remetalOk(rig, ['build', '--output', iso, ...quick, ...baked]);
  });
}

/** A folder with a set of the original, made by `remetal backup` on this host; once in a run. */
export async function hostSet(rig: Rig): Promise<string> {
  const folder = join(rig.shared, 'host-set');
  return await madeOnce(folder, join(rig.shared, 'host-set.lock'), async () => {
    rig.tell('backing up the original from the host');
    const growing = join(rig.shared, 'host-set.growing');
    // What one left who died under way.
    rmSync(growing, { recursive: true, force: true });
    mkdirSync(growing);
    await remetalOk(rig, ['backup', '--disk', rig.original.disk, '--to', growing, '--name', 'web1']);
    renameSync(growing, folder);
  });
}
