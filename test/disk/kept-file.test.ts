import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { KeptFile, memoryDisk, overlay, type BlockDevice, type Overlay } from '../../src/disk/index.ts';
import { temporary } from '../helpers/temporary.ts';

const MiB = 1024 * 1024;
const size = 8 * MiB + 512;
const owner = { setId: 'a1', set: 'web1-1', volume: 'disk1.part1', size };

async function below(): Promise<BlockDevice> {
  const disk = memoryDisk(size);
  await disk.write(Buffer.alloc(size, 0x5a), 0);
  return disk;
}

async function laidOver(t: ExecutionContext, disk: BlockDevice, memoryBytes = MiB): Promise<Overlay> {
  const over = await overlay(disk, { folder: temporary(t), memoryBytes, mostBytes: 64 * MiB });
  t.teardown(() => over.close());
  return over;
}

async function bytesOf(device: BlockDevice): Promise<Buffer> {
  const bytes = Buffer.alloc(size);
  await device.read(bytes, 0);
  return bytes;
}

const step = fc.record({
  call: fc.constantFrom('write', 'write', 'writeZeroes', 'discard'),
  from: fc.nat(size / 512 - 1),
  count: fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: size / 512 })),
  value: fc.integer({ min: 1, max: 255 }),
});

test('what was written is there again over the same volume, whatever it was', async (t) => {
  const folder = temporary(t);
  const disk = await below();
  let number = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const path = join(folder, `kept-${number++}`);
      const over = await laidOver(t, disk);
      for (const { call, from, count, value } of steps) {
        const [at, length] = [from * 512, Math.min(count * 512, size - from * 512)];
        if (call === 'write') await over.write(Buffer.alloc(length, value), at);
        else await over[call](at, length);
      }
      const file = await KeptFile.open(path, owner);
      await file.load(over);
      t.is(await file.save(over), path);
      const again = await laidOver(t, disk, 0);
      await (await KeptFile.open(path, owner)).load(again);
      t.true((await bytesOf(again)).equals(await bytesOf(over)));
      t.deepEqual(again.changed(), over.changed());
    }),
    { numRuns: 25 },
  );
});

async function keptOnce(t: ExecutionContext): Promise<{ folder: string; path: string; over: Overlay }> {
  const folder = temporary(t);
  const path = join(folder, 'kept');
  const over = await laidOver(t, await below());
  await over.write(Buffer.alloc(2 * MiB, 1), MiB);
  await over.writeZeroes(4 * MiB, 2 * MiB);
  await (await KeptFile.open(path, owner)).save(over);
  return { folder, path, over };
}

test('a file of another volume, of something else, or that is damaged is refused', async (t) => {
  const { folder, path } = await keptOnce(t);
  t.is(statSync(path).mode & 0o777, 0o600);
  for (const other of [
    { ...owner, setId: 'b2' },
    { ...owner, volume: 'disk1.part2' },
    { ...owner, size: size - 512 },
  ]) {
    await t.throwsAsync(KeptFile.open(path, other), {
      code: 'overlay-unusable',
      message: /volume disk1\.part1 of web1-1/,
    });
  }
  const good = readFileSync(path);
  for (const [what, bytes] of [
    ['cut off', good.subarray(0, -1)],
    ['longer', Buffer.concat([good, Buffer.alloc(1)])],
    ['flipped', Buffer.from(good).fill(7, 5 * 4096, 5 * 4096 + 1)],
    ['without a table', good.subarray(0, 4096)],
  ] as const) {
    writeFileSync(path, bytes);
    const file = await KeptFile.open(path, owner);
    await t.throwsAsync(file.load(await laidOver(t, await below())), { code: 'overlay-unusable' }, what);
  }
  for (const text of ['', 'words of mine', '{"format":"remetal-overlay"}\n']) {
    writeFileSync(path, text);
    await t.throwsAsync(KeptFile.open(path, owner), { code: 'overlay-unusable' }, text);
    t.is(readFileSync(path, 'utf8'), text);
  }
  await t.throwsAsync(KeptFile.open(join(folder, 'no folder', 'kept'), owner), { code: 'overlay-unusable' });
  await t.throwsAsync(KeptFile.open(folder, owner), { code: 'overlay-unusable' });
  t.deepEqual(readdirSync(folder), ['kept']);
});

test('what somebody else kept meanwhile stays, and nothing is lost', async (t) => {
  const { folder, path, over } = await keptOnce(t);
  const one = await KeptFile.open(path, owner);
  const other = await KeptFile.open(path, owner);
  await over.write(Buffer.alloc(512, 9), 0);
  t.is(await one.save(over), path);
  const first = readFileSync(path);
  const elsewhere = await other.save(over);
  t.not(elsewhere, path);
  t.true(readFileSync(path).equals(first));
  t.true(existsSync(elsewhere));
  t.is(readdirSync(folder).length, 2);
});
