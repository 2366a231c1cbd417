/**
 * Runs in the guest, on the drive its argument names: what a person does with a set on tape who wants a few files of
 * it. Prints a line for each step, `STEP` and its findings as JSON.
 */
import { mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { openSet } from '../../src/archive/index.ts';
import { openMedium } from '../../src/medium/index.ts';
import { setVolume } from '../../src/mount/index.ts';
import { serveNbd } from '../../src/mount/nbd/index.ts';
import { attachNbd, nativeCodec } from '../../src/system/index.ts';
import { remetal as run } from '../../test/cli/run.ts';
import { contentOf, isLink, pathOf } from './files.ts';

const [drive = 'tape:/dev/nst0', listed = '200', entries = '20000'] = process.argv.slice(2);
const place = drive.startsWith('/') ? `tape:${drive}` : drive;
const work = join(process.env['TMPDIR'] ?? '/dev/shm', 'tape-mount');

export interface Step {
  readonly step: string;
  /** Entries that were listed, or files that came out as they were. */
  readonly count: number;
  readonly repositionings: number;
  /** Groups read; null where the verb does not say. */
  readonly control: number | null;
  readonly data: number | null;
  readonly seconds: number;
}

function say(step: string, began: number, found: Omit<Step, 'step' | 'seconds'>): void {
  const seconds = Math.round((performance.now() - began) / 100) / 10;
  process.stdout.write(`STEP ${JSON.stringify({ step, ...found, seconds })}\n`);
}

async function open(): Promise<{ medium: ReturnType<typeof openMedium>; set: string }> {
  const medium = openMedium(place, { tape: { bufferBytes: 64 * 2 ** 20 } });
  const [set] = await medium.list();
  return { medium, set: set!.name };
}

/** Mounts a volume by the kernel's own client, and lists all of it. */
async function mountAndList(volume: string, filesystem: string, options: string): Promise<void> {
  const began = performance.now();
  const { medium, set } = await open();
  const reader = await openSet(medium, set, { codec: nativeCodec() });
  const id = reader.layout.volumes.find(({ name }) => name === volume)!.id;
  const device = setVolume(reader, id, { folder: work });
  const socket = join(work, `${volume}.sock`);
  const server = await serveNbd({
    exports: [{ name: '', description: volume, device, readOnly: true }],
    listen: { socket },
  });
  const root = join(work, volume);
  mkdirSync(root);
  const attached = await attachNbd(socket, { readOnly: true });
  await execa('mount', ['-t', filesystem, '-o', options, attached.path, root]);
  const { stdout } = await execa('ls', ['-lR', root]);
  const count = stdout.split('\n').filter((line) => /^[-dl][rwx]/.test(line)).length;
  const { controlGroups: control, dataGroups: data } = device.statistics();
  await execa('umount', [root]);
  await attached.detach();
  await server.close();
  const { repositionings } = medium.movements!();
  await device.close();
  await reader.close();
  await medium.close();
  say(`${attached.how} ${filesystem}`, began, { count, repositionings, control, data });
}

interface Told {
  readonly type?: string;
  readonly repositionings?: number;
  readonly groups?: { readonly control: number; readonly data: number };
}

/* In this very process: to start another one takes an emulated machine half a minute. */
async function remetal(...words: readonly string[]): Promise<Told[]> {
  const { status, stdout, stderr } = await run([...words, '--json']);
  if (status !== 0) throw new Error(`remetal ${words[0]} ended with ${status}: ${stderr}`);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line): Told => JSON.parse(line));
}

function told(step: string, began: number, lines: readonly Told[], count: number): void {
  const groups = lines.find(({ type }) => type === 'result')?.groups;
  const { repositionings } = lines.find(({ type }) => type === 'tape')!;
  const { control = null, data = null } = groups ?? {};
  say(step, began, { count, repositionings: repositionings!, control, data });
}

async function listNetware(): Promise<void> {
  const began = performance.now();
  const lines = await remetal('files', place, 'many/SYS');
  told('files netware', began, lines, lines.filter(({ type }) => type === 'file').length);
}

/** Takes files out from all over a volume, in an order that is not the medium's. */
async function extract(): Promise<void> {
  const began = performance.now();
  const last = Number(entries) - Number(entries) / 100 - 1000;
  const step = Math.floor(last / Number(listed));
  const numbers = Array.from({ length: Number(listed) }, (_, i) => ((i * 83) % Number(listed)) * step);
  const list = join(work, 'list');
  writeFileSync(list, numbers.map((number) => `${pathOf(number)}\n`).join(''));
  const to = join(work, 'out');
  const lines = await remetal('extract', place, 'many/many', '--from', list, '--to', to);
  const same = numbers.filter((number) => {
    const path = join(to, pathOf(number));
    return isLink(number)
      ? readlinkSync(path) === `f${number}`
      : readFileSync(path, 'utf8') === contentOf('many', number);
  });
  told('extract ext4', began, lines, same.length);
}

mkdirSync(work, { recursive: true });
await listNetware();
await extract();
await mountAndList('many', 'ext4', 'ro,noload');
await mountAndList('more', 'xfs', 'ro,norecovery');
