import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { openSt } from '../../src/system/index.ts';
import { decodeStatus } from '../../src/system/st-device.ts';
import { temporary } from '../helpers/temporary.ts';

/** A `struct mtget`: type, residue, dsreg, gstat and erreg as longs, file and block as ints. */
function mtget(dsreg: number, flags: number, file: number, block: number): Buffer {
  const bytes = Buffer.alloc(48);
  bytes.writeBigInt64LE(0x72n, 0);
  // The driver's fields are signed: the upper half of a long may be all ones.
  bytes.writeBigInt64LE(BigInt(dsreg | 0), 16);
  bytes.writeBigInt64LE(BigInt(flags | 0), 24);
  bytes.writeInt32LE(file, 40);
  bytes.writeInt32LE(block, 44);
  return bytes;
}

test('the status of a drive', (t) => {
  t.deepEqual(decodeStatus(mtget(0x5e000000, 0x41010000, 0, 0)), {
    file: 0,
    block: 0,
    blockSize: 0,
    density: 0x5e,
    online: true,
    writeProtected: false,
    beginning: true,
    endOfFile: false,
    endOfData: false,
    endOfTape: false,
    doorOpen: false,
    cleaning: false,
  });
  t.like(decodeStatus(mtget(0x80010000, 0xad000000, 3, -1)), {
    density: 0x80,
    blockSize: 0x10000,
    file: 3,
    block: -1,
    online: true,
    writeProtected: true,
    endOfFile: true,
    endOfTape: true,
    endOfData: true,
    beginning: false,
  });
  t.like(decodeStatus(mtget(0, 0x00058000, -1, -1)), { doorOpen: true, cleaning: true, online: false });
});

test('what is no tape drive is told by the name of its errno', async (t) => {
  const path = join(temporary(t), 'file');
  await t.throwsAsync(() => openSt(path, 'look'), { code: 'ENOENT' });
  writeFileSync(path, 'x');
  await t.throwsAsync(() => openSt(path, 'read'), { code: 'ENOTTY' });
  await t.throwsAsync(() => openSt('/dev/null', 'write'), { code: 'ENOTTY' });
});
