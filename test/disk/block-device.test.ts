import { closeSync, ftruncateSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { faulty, joined, memoryDisk, openDisk, recording, slice } from '../../src/disk/index.ts';
import { attachLoop } from '../../src/system/index.ts';
import { blockDeviceContract } from '../contract/block-device.ts';
import { requiresRoot } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';

const size = 8 * 1024 * 1024;

function emptyFile(t: ExecutionContext, length = size): string {
  const path = join(temporary(t), 'disk.raw');
  const fd = openSync(path, 'w');
  ftruncateSync(fd, length);
  closeSync(fd);
  return path;
}

for (const sectorSize of [512, 4096]) {
  for (const direct of [true, false]) {
    blockDeviceContract({
      name: `image file, ${direct ? 'direct' : 'buffered'}, ${sectorSize}`,
      make: (t) => openDisk(emptyFile(t), { write: true, direct, sectorSize }),
    });
  }
  blockDeviceContract({
    name: `memory, ${sectorSize}`,
    make: async () => memoryDisk(size, { sectorSize }),
  });
  blockDeviceContract({
    name: `slice, ${sectorSize}`,
    make: async () => slice(memoryDisk(2 * size, { sectorSize }), 3 * sectorSize, size),
  });
  blockDeviceContract({
    name: `loop device, ${sectorSize}`,
    register: requiresRoot('losetup'),
    make: async (t) => {
      const loop = await attachLoop({ path: emptyFile(t), sectorSize });
      t.teardown(() => loop.detach());
      return openDisk(loop.path, { write: true });
    },
  });
}

blockDeviceContract({
  name: 'image file with a ragged tail',
  make: (t) => openDisk(emptyFile(t, size + 700), { write: true }),
});
blockDeviceContract({
  name: 'image file in memory',
  make: (t) => {
    const path = `/dev/shm/remetal-test-${process.pid}-${t.title.replaceAll(/\W+/g, '-')}.raw`;
    const fd = openSync(path, 'w');
    ftruncateSync(fd, size);
    closeSync(fd);
    t.teardown(() => rmSync(path));
    return openDisk(path, { write: true });
  },
});
blockDeviceContract({ name: 'recording', make: async () => recording(memoryDisk(size)) });
blockDeviceContract({ name: 'faulty without faults', make: async () => faulty(memoryDisk(size), {}) });
blockDeviceContract({
  name: 'joined',
  make: async () => {
    const whole = memoryDisk(2 * size);
    const lengths = [512, 3 * 512, 5 * 1024 * 1024, 512];
    let at = 0;
    const parts = lengths.map((length) => {
      const part = slice(whole, at, length);
      at += length + 1024;
      return part;
    });
    return joined(parts, 'four pieces');
  },
});
