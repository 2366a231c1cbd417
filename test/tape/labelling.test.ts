import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { readContents } from '../../src/tape/contents.ts';
import { eraseCartridge, labelCartridge, type LabelRequest } from '../../src/tape/labelling.ts';
import type { OpenTape } from '../../src/system/index.ts';
import { systemCode } from '../../src/errors/index.ts';
import { TapeDrive } from '../../src/tape/drive.ts';
import { closing, label as partLabel } from '../contract/medium.ts';
import { temporary } from '../helpers/temporary.ts';
import { image } from './images.ts';
import { KiB, tapeScene, writeFile } from './tape-scene.ts';

const request: LabelRequest = {
  name: 'DAILY-3',
  barcode: 'WEB003L8',
  force: false,
  now: new Date('2026-11-25T20:00:00Z'),
};

/** Reads as `dd if=/dev/nst0 bs=…` does: block by block with one buffer, up to the filemark. */
async function dd(
  open: OpenTape,
  files: number,
  blockSize: number,
): Promise<{ blocks: number[]; bytes: Buffer }> {
  const device = await open('read');
  try {
    await device.operate('REW');
    if (files > 0) await device.operate('FSF', files);
    const pieces: Buffer[] = [];
    for (;;) {
      const buffer = Buffer.alloc(blockSize);
      const length = await device.read(buffer);
      if (length === 0) break;
      pieces.push(buffer.subarray(0, length));
    }
    return { blocks: pieces.map(({ length }) => length), bytes: Buffer.concat(pieces) };
  } finally {
    await device.close();
  }
}

function imageFile(t: ExecutionContext, options: Parameters<typeof image>[0]): string {
  const path = join(temporary(t), 'remetal.iso');
  writeFileSync(path, image(options));
  return path;
}

test('a blank cartridge gets a label, and again without a word', async (t) => {
  const { drive } = await tapeScene(t);
  const label = await labelCartridge(drive, request);
  t.like(label, { name: 'DAILY-3', barcode: 'WEB003L8', recordLimit: 1024 * KiB });
  t.like(await readContents(drive), { label, parts: [], appendAt: 1 });
  const again = await labelCartridge(drive, { ...request, name: 'DAILY-4' });
  t.not(again.cartridge, label.cartridge);
  t.like(await readContents(drive), { label: again });
});

test('dd and tar take the label off', async (t) => {
  const { drive, open } = await tapeScene(t);
  await labelCartridge(drive, request);
  await drive.release();
  const { blocks, bytes } = await dd(open, 0, 64 * KiB);
  t.is(blocks.length, 1);
  const { stdout } = await execa('tar', ['-tf', '-'], { input: bytes });
  t.deepEqual(stdout.split('\n'), ['REMETAL-CARTRIDGE.json', 'README.txt', 'remetal-reader.py']);
});

test('sets of ours, foreign tapes and damaged labels are only overwritten by the word', async (t) => {
  const { drive } = await tapeScene(t);
  await labelCartridge(drive, request);
  await drive.toFile(1);
  await writeFile(drive, [partLabel('web1'), closing(), Buffer.alloc(1024)]);
  const ours = await t.throwsAsync(labelCartridge(drive, request), { code: 'cartridge-protected' });
  t.regex(ours?.message ?? '', /DAILY-3 holds web1/);
  await t.throwsAsync(eraseCartridge(drive, { force: false, long: false }), { code: 'cartridge-protected' });
  t.like(await readContents(drive), { parts: [{ set: 'web1', ends: 'set' }] });
  await labelCartridge(drive, { ...request, force: true });
  t.like(await readContents(drive), { parts: [] });

  await drive.rewind();
  await writeFile(drive, [Buffer.from('AMANDA: TAPESTART DATE X TAPE one\n'.padEnd(1000))]);
  const foreign = await t.throwsAsync(labelCartridge(drive, request), { code: 'foreign-cartridge' });
  t.regex(foreign?.message ?? '', /an Amanda volume/);
  await labelCartridge(drive, { ...request, force: true });

  await drive.rewind();
  const block = await drive.read();
  if (!Buffer.isBuffer(block)) throw new TypeError('There is no label.');
  block[700]! ^= 1;
  await drive.rewind();
  await writeFile(drive, [block]);
  await t.throwsAsync(labelCartridge(drive, request), { code: 'cartridge-unlabelled' });
  await labelCartridge(drive, { ...request, force: true });
});

test('a cartridge that can be written only once is labelled once', async (t) => {
  const { drive } = await tapeScene(t, { cartridge: { worm: true } });
  const label = await labelCartridge(drive, request);
  for (const force of [false, true]) {
    await t.throwsAsync(labelCartridge(drive, { ...request, force }), { code: 'cartridge-protected' });
    await t.throwsAsync(eraseCartridge(drive, { force, long: false }), { code: 'cartridge-protected' });
  }
  t.like(await readContents(drive), { label });
});

test('a protected cartridge is refused', async (t) => {
  const { drive } = await tapeScene(t, { cartridge: { writeProtected: true } });
  await t.throwsAsync(labelCartridge(drive, { ...request, force: true }), { code: 'cartridge-protected' });
});

test('an appliance comes off with one dd of 64 KiB, byte by byte', async (t) => {
  const { drive, open } = await tapeScene(t);
  const path = imageFile(t, { name: 'REMETAL', length: 2048 * 500 });
  const label = await labelCartridge(drive, { ...request, appliance: { path, oneButton: false } });
  t.like(await readContents(drive), { label, labelFile: 1, appendAt: 2, foreign: null });
  await drive.release();
  const { blocks, bytes } = await dd(open, 0, 64 * KiB);
  t.true(bytes.equals(readFileSync(path)));
  t.is(Math.max(...blocks), 32 * KiB);
  const error = await t.throwsAsync(dd(open, 0, 16 * KiB));
  t.is(systemCode(error), 'ENOMEM');
  t.is((await dd(open, 1, 64 * KiB)).blocks.length, 1);
});

test('in the zone of one-button recovery stand what a drive looks for, and the image', async (t) => {
  const { drive, open } = await tapeScene(t);
  const path = imageFile(t, { name: 'REMETAL', length: 2048 * 300 });
  const label = await labelCartridge(drive, { ...request, appliance: { path, oneButton: true } });
  t.like(await readContents(drive), { label, labelFile: 1, appendAt: 2 });
  await drive.release();
  const { blocks, bytes } = await dd(open, 0, 64 * KiB);
  t.deepEqual(
    blocks.slice(0, 20),
    Array.from({ length: 20 }, () => 512),
  );
  t.true(blocks.slice(20).every((length) => length === 2048));
  // The drive counts sectors of 2048 bytes from block 20 on, and looks into the first 250 KB.
  const sectors = bytes.subarray(20 * 512);
  t.true(sectors.equals(readFileSync(path)));
  t.is(sectors.toString('latin1', 17 * 2048 + 7, 17 * 2048 + 30), 'EL TORITO SPECIFICATION');
  const { stdout } = await execa('tar', ['-xOf', '-', 'README.txt'], { input: bytes.subarray(0, 20 * 512) });
  t.regex(stdout, /fsr 20/);
});

test('only our own image, with a boot record, goes before a label', async (t) => {
  const { drive } = await tapeScene(t);
  const label = (options: Parameters<typeof image>[0], oneButton: boolean) =>
    labelCartridge(drive, { ...request, appliance: { path: imageFile(t, options), oneButton } });
  await t.throwsAsync(label({ name: 'Debian 12' }, false), { code: 'usage' });
  await t.throwsAsync(label({ name: 'REMETAL', length: 100_000 }, false), { code: 'usage' });
  await t.throwsAsync(label({ name: 'REMETAL', bootable: false }, true), { code: 'usage' });
  await drive.ready('read');
  t.like(await readContents(drive), { blank: true });
});

test('an image the cartridge has no room for is refused', async (t) => {
  const { drive } = await tapeScene(t, { cartridge: { size: 256 * KiB, earlyWarning: 128 * KiB } });
  const path = imageFile(t, { name: 'REMETAL', length: 2048 * 500 });
  await t.throwsAsync(labelCartridge(drive, { ...request, appliance: { path, oneButton: false } }), {
    code: 'cartridge-full',
  });
});

for (const long of [false, true]) {
  test(`an erased cartridge is blank (${long ? 'long' : 'short'})`, async (t) => {
    const { drive } = await tapeScene(t);
    await labelCartridge(drive, request);
    await drive.toFile(1);
    await writeFile(drive, [partLabel('web1'), closing(), Buffer.alloc(1024)]);
    await eraseCartridge(drive, { force: true, long });
    t.like(await readContents(drive), { blank: true });
  });
}

test('where the drive cannot erase, the data ends at the beginning all the same', async (t) => {
  const { drive, open } = await tapeScene(t);
  await labelCartridge(drive, request);
  await drive.release();
  const without: OpenTape = async (access) => {
    const device = await open(access);
    const operate = device.operate.bind(device);
    device.operate = async (operation, count) => {
      if (operation === 'ERASE') throw Object.assign(new Error('EIO'), { code: 'EIO', syscall: 'ioctl' });
      await operate(operation, count);
    };
    return device;
  };
  const limited = new TapeDrive('virtual', without);
  t.teardown(() => limited.release());
  await t.throwsAsync(eraseCartridge(limited, { force: false, long: true }), { code: 'drive-failed' });
  await eraseCartridge(limited, { force: false, long: false });
  t.like(await readContents(limited), { blank: true });
});
