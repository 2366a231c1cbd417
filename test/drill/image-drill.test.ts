import { readdirSync } from 'node:fs';
import { openSet, type SetReader } from '../../src/archive/index.ts';
import { memoryDisk } from '../../src/disk/index.ts';
import { drillImage, type ImageDrillRequest } from '../../src/drill/index.ts';
import { requires } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';
import { noise } from '../restore/sets.ts';
import { backedUp, type BackedUp } from '../helpers/backed-up.ts';
import { identityOfMemory } from '../restore/targets.ts';
import { bootSector } from './boot-sector.ts';

const size = 4 * 1024 * 1024;

async function setOfSector(first: Buffer): Promise<BackedUp> {
  const source = memoryDisk(size);
  await source.write(noise(2 ** 20, 5), 0);
  await source.write(first, 0);
  return await backedUp([{ device: source, identity: identityOfMemory(source, 'OLD') }], {
    machine: { hostname: 'web1', firmware: 'bios', vendor: null, product: null, serial: null },
    name: 'web1',
  });
}

function request(reader: SetReader, scratch: string): ImageDrillRequest {
  return {
    reader,
    firmware: null,
    controller: null,
    accelerator: 'tcg',
    memoryBytes: 128 * 2 ** 20,
    cpus: 1,
    expect: null,
    probe: null,
    seconds: 90,
    scratch,
    tell: () => {},
    overlayBytes: 2 ** 20,
    preload: false,
  };
}

const withEmulator = requires('qemu-system-x86_64');

withEmulator('a machine starts from its set, and what it writes is thrown away', async (t) => {
  const { medium, set } = await setOfSector(bootSector('\r\nweb1 login: '));
  const before = Buffer.concat(medium.bytes(set));
  const scratch = temporary(t);
  for (const preload of [false, true]) {
    const reader = await openSet(medium, set);
    const outcome = await drillImage({ ...request(reader, scratch), preload });
    t.is(outcome.verdict, 'passed', outcome.failure?.reason);
    t.is(outcome.seen, 'web1 login:');
    t.is(outcome.firmware, 'bios');
    t.true((outcome.writtenBytes ?? 0) > 0);
    await reader.close();
  }
  t.true(Buffer.concat(medium.bytes(set)).equals(before));
  t.deepEqual(readdirSync(scratch), []);
});

withEmulator('with the boot loader destroyed it fails, and says why', async (t) => {
  const { medium, set } = await setOfSector(Buffer.alloc(512));
  const reader = await openSet(medium, set);
  const outcome = await drillImage(request(reader, temporary(t)));
  t.is(outcome.verdict, 'failed');
  t.is(outcome.failure?.code, 'no-boot-loader');
  t.regex(outcome.failure?.reason ?? '', /No bootable device/);
  await reader.close();
});

withEmulator('a damaged record and an overlay that is full are told as such', async (t) => {
  const first = bootSector('\r\nweb1 login: ');
  const { medium, set } = await setOfSector(first);
  const reader = await openSet(medium, set);
  const full = await drillImage({ ...request(reader, temporary(t)), overlayBytes: 0, expect: /never/ });
  await reader.close();
  t.is(full.failure?.code, 'disk-error');
  const damaged = Buffer.concat(medium.bytes(set));
  const at = damaged.indexOf(noise(2 ** 20, 5).subarray(4096, 4196));
  t.true(at > 0);
  damaged[at]! ^= 1;
  medium.put('damaged', [damaged]);
  const other = await openSet(medium, 'damaged');
  const outcome = await drillImage(request(other, temporary(t)));
  await other.close();
  t.is(outcome.failure?.code, 'disk-error');
  t.regex(outcome.failure?.reason ?? '', /damaged/);
});
