import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { detect, drivers } from '../../src/filesystem/index.ts';
import { grownSwapHeader } from '../../src/filesystem/swap.ts';
import { trustedMap } from '../contract/filesystem.ts';
import { requires } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { imageDevice, memoryDevice } from './devices.ts';
import { blank, run } from './fixtures.ts';

const MiB = 1024 * 1024;
const uuid = '00112233-4455-6677-8899-aabbccddeeff';

function made(t: ExecutionContext, ...args: string[]): string {
  const image = blank(join(temporary(t), 'image'), 20 * MiB);
  run('mkswap', '-q', '-L', 'swap1', '-U', uuid, ...args, image);
  return image;
}

for (const pageSize of [4096, 8192, 16_384, 65_536]) {
  requires('mkswap')(`only the header is used, ${pageSize}-byte pages`, async (t: ExecutionContext) => {
    const image = made(t, '-p', String(pageSize));
    const map = await trustedMap(t, imageDevice(t, image, 4096), 'swap');
    t.deepEqual(map.used, [{ start: 0, length: pageSize }]);
    const facts = (await detect(imageDevice(t, image)))?.facts;
    t.deepEqual(facts, { type: 'swap', uuid, label: 'swap1', size: 20 * MiB, blockSize: pageSize });
  });
}

for (const signature of ['S1SUSPEND\0', 'ULSUSPEND\0', 'LINHIB0001']) {
  requires('mkswap')(
    `a hibernated system is kept whole: ${signature.trim()}`,
    async (t: ExecutionContext) => {
      const image = made(t);
      const fd = openSync(image, 'r+');
      writeSync(fd, signature, 4086, 'latin1');
      closeSync(fd);
      const filesystem = await detect(imageDevice(t, image));
      t.is(filesystem?.facts.type, 'swap');
      t.is(filesystem?.facts.uuid, uuid);
      const map = await filesystem?.usedMap();
      t.regex(map?.reason ?? '', /hibernated/);
      t.deepEqual(map?.used, [{ start: 0, length: 20 * MiB }]);
    },
  );
}

requires('mkswap')('a grown header is what mkswap makes on the larger volume', (t: ExecutionContext) => {
  const stored = readFileSync(made(t));
  const larger = blank(join(temporary(t), 'larger'), 50 * MiB + 512);
  run('mkswap', '-q', '-L', 'swap1', '-U', uuid, larger);
  const growth = drivers.find(({ family }) => family === 'swap')?.growth;
  const grown = growth?.grownHeader?.(stored, 50 * MiB + 512);
  t.deepEqual(grown, readFileSync(larger).subarray(0, 4096));
});

requires('mkswap')(
  'bad pages stay, big-endian headers are read and grown as such',
  async (t: ExecutionContext) => {
    const header = readFileSync(made(t)).subarray(0, 4096);
    const bad = Buffer.from(header);
    bad.writeUInt32LE(1, 1032);
    bad.writeUInt32LE(77, 1536);
    const grown = grownSwapHeader(bad, 40 * MiB);
    t.is(grown.readUInt32LE(1028), (40 * MiB) / 4096 - 1);
    t.is(grown.readUInt32LE(1536), 77);
    const big = Buffer.alloc(20 * MiB);
    header.copy(big);
    for (const at of [1024, 1028, 1032]) big.writeUInt32BE(header.readUInt32LE(at), at);
    t.is((await (await detect(memoryDevice(big)))?.usedMap())?.trusted, true);
    t.is(grownSwapHeader(big, 40 * MiB).readUInt32BE(1028), (40 * MiB) / 4096 - 1);
  },
);

test('what is no sound header is not grown, and its volume is kept whole', async (t) => {
  const page = Buffer.alloc(65_536);
  t.throws(() => grownSwapHeader(page, MiB), { code: 'filesystem-damaged' });
  page.write('SWAPSPACE2', 4086, 'latin1');
  page.writeUInt32LE(9, 1024);
  t.throws(() => grownSwapHeader(page, MiB), { code: 'filesystem-damaged' });
  t.regex((await (await detect(memoryDevice(page)))?.usedMap())?.reason ?? '', /version 9/);
  page.writeUInt32LE(1, 1024);
  page.writeUInt32LE(1000, 1028);
  t.regex((await (await detect(memoryDevice(page)))?.usedMap())?.reason ?? '', /contradicts itself/);
});
