import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { buildAppliance, defaultCache } from '../src/appliance/index.ts';
import { imageFrom } from '../src/appliance/build.ts';
import { gather } from '../src/appliance/ingredients.ts';
import { writeInitramfs, type Tree } from '../src/appliance/initramfs.ts';
import { menuSettings } from '../src/appliance/menu.ts';
import { findProgram } from '../src/appliance/tools.ts';
import { withMachine, type Firmware } from '../qemu-tests/harness/index.ts';
import { median } from './measured.ts';

const rounds = 3;
const limit = 96 * 1024 * 1024;
const logs = resolve(import.meta.dirname, 'results', 'appliance-boot');
/** Both start at once and without a question from GRUB. */
const menu = { defaultEntry: 'menu', timeoutSeconds: 0 } as const;

const bareInit = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox echo BARE: prompt >/dev/console
exec /bin/busybox sh </dev/console >/dev/console 2>&1
`;

/** The least that boots the same way: the same kernel and loaders, busybox, no drivers. */
async function bareImage(output: string, scratch: string): Promise<void> {
  const source = resolve(import.meta.dirname, '..');
  const ingredients = await gather({ cache: defaultCache(), source, refresh: false, onStep: () => {} });
  const unpacked = ingredients.appliance.find(({ name }) => name === 'busybox-static')!;
  const { file } = await findProgram(unpacked, 'busybox');
  const root: Tree = new Map([
    ['bin/busybox', { type: 'file', mode: 0o755, source: file }],
    ['dev/console', { type: 'device', mode: 0o600, major: 5, minor: 1 }],
    ['init', { type: 'file', mode: 0o755, source: Buffer.from(bareInit) }],
    ['proc', { type: 'directory', mode: 0o555 }],
  ]);
  const segments = new Map([
    ['base.img', join(scratch, 'base.img')],
    ['agent.img', join(scratch, 'agent.img')],
  ]);
  await writeInitramfs(segments.get('base.img')!, root, 12, ingredients.tools);
  await writeInitramfs(segments.get('agent.img')!, new Map(), 12, ingredients.tools);
  const settingsText = menuSettings({ ...menu, kernelWords: [], segments: [], answers: false });
  await mkdir(join(scratch, 'image'));
  await imageFrom({
    ingredients,
    segments,
    settingsText,
    scratch: join(scratch, 'image'),
    output,
    extra: new Map(),
  });
}

/** Seconds from power-on to a line on the serial console. */
async function secondsTo(line: RegExp, iso: string, firmware: Firmware, scratch: string): Promise<number> {
  const drives = [{ file: iso, format: 'raw', controller: 'cd', boot: 0 }] as const;
  const name = `${firmware}-${line.source.replaceAll(/\W/g, '')}`;
  return withMachine({ name, logs, scratch, firmware, drives, seconds: 300 }, async ({ console }) => {
    await console.expect(line, 290);
    return console.seconds;
  });
}

function print(what: string, value: string): void {
  process.stdout.write(`${what.padEnd(44)} ${value}\n`);
}

/**
 * Power-on to the agent's first line beside the least image that boots, both from an optical medium
 * under emulation, in turns; and the size of the image.
 */
export async function applianceBoot(): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), 'remetal-bench-'));
  try {
    const bare = join(scratch, 'bare.iso');
    const ours = join(scratch, 'remetal.iso');
    await bareImage(bare, scratch);
    const { sizeBytes } = await buildAppliance({ output: ours, netboot: false, ...menu });
    const times = { bare: [] as number[], ours: [] as number[] };
    for (let round = 0; round < rounds; round++) {
      times.bare.push(await secondsTo(/BARE: prompt/, bare, 'bios', scratch));
      times.ours.push(await secondsTo(/REMETAL: agent/, ours, 'bios', scratch));
    }
    const [least, agent] = [median(times.bare), median(times.ours)];
    print('Power-on to prompt, bare kernel and busybox', `${least.toFixed(1)} s (${shown(times.bare)})`);
    print("Power-on to the agent's first line", `${agent.toFixed(1)} s (${shown(times.ours)})`);
    print('Ratio', (agent / least).toFixed(2));
    print('Size of the bare image', `${((await stat(bare)).size / 2 ** 20).toFixed(1)} MiB`);
    print('Size of the appliance (at most 96 MiB)', `${(sizeBytes / 2 ** 20).toFixed(1)} MiB`);
    if (sizeBytes > limit) throw new Error('The appliance is larger than 96 MiB.');
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function shown(values: readonly number[]): string {
  return values.map((value) => value.toFixed(1)).join(', ');
}
