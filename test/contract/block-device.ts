import test, { type ExecutionContext } from 'ava';
import { isCoded } from '../../src/errors/index.ts';
import { alignedBuffer, type BlockDevice } from '../../src/disk/index.ts';

type Register = (title: string, body: (t: ExecutionContext) => Promise<void>) => void;

/** What the suite needs of a maker: a writable device of at least 4 MiB that reads as zeros. */
export interface BlockDeviceMaker {
  readonly name: string;
  make(t: ExecutionContext): Promise<BlockDevice>;
  /** How the cases are registered: `test` unless the maker needs something of the machine. */
  readonly register?: Register;
}

function patterned(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i += 4)
    bytes.writeUInt32LE((Math.imul(i + seed, 2654435761) >>> 0) % 2 ** 32, i);
  return bytes;
}

async function readBack(device: BlockDevice, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length, 0xee);
  await device.read(bytes, offset);
  return bytes;
}

/** Compares bytes without the walk through every one of them that a deep comparison makes. */
function same(t: ExecutionContext, actual: Buffer, wanted: Buffer): void {
  t.true(actual.equals(wanted), `${wanted.length} bytes differ`);
}

async function refused(t: ExecutionContext, call: () => Promise<unknown>): Promise<void> {
  const error = await t.throwsAsync(call);
  t.true(isCoded(error, 'disk-range'), error?.message ?? 'nothing was thrown');
}

/** The contract of `BlockDevice`, as cases for one maker of them. */
export function blockDeviceContract(maker: BlockDeviceMaker): void {
  const register: Register = maker.register ?? ((title, body) => test(title, body));
  const holds = (what: string, body: (t: ExecutionContext, device: BlockDevice) => Promise<void>): void => {
    register(`${maker.name}: ${what}`, async (t) => {
      const device = await maker.make(t);
      try {
        await body(t, device);
      } finally {
        await device.close();
      }
    });
  };

  holds('has a size in whole sectors and a name', async (t, device) => {
    t.true([512, 4096].includes(device.sectorSize));
    t.is(device.size % device.sectorSize, 0);
    t.true(device.size >= 4 * 1024 * 1024);
    t.not(device.name, '');
  });

  holds('reads what was written, from any buffer', async (t, device) => {
    const { sectorSize } = device;
    for (const [sectors, at] of [
      [1, 0],
      [1, 3],
      [3, 7],
      [64, 1],
      [700, 13],
    ] as const) {
      const length = sectors * sectorSize;
      const wanted = patterned(length, sectors);
      const shifted = Buffer.alloc(length + 3).subarray(3);
      wanted.copy(shifted);
      await device.write(shifted, at * sectorSize);
      same(t, await readBack(device, at * sectorSize, length), wanted);
      const aligned = alignedBuffer(length + 4096).subarray(0, length);
      await device.read(aligned, at * sectorSize);
      t.true(aligned.equals(wanted));
    }
  });

  holds('takes aligned buffers for writing', async (t, device) => {
    const bytes = alignedBuffer(1024 * 1024);
    patterned(bytes.length, 5).copy(bytes);
    await device.write(bytes, 64 * 4096);
    t.true((await readBack(device, 64 * 4096, bytes.length)).equals(bytes));
  });

  holds('reads and writes its last sector', async (t, device) => {
    const at = device.size - device.sectorSize;
    const wanted = patterned(device.sectorSize, 9);
    await device.write(wanted, at);
    same(t, await readBack(device, at, device.sectorSize), wanted);
  });

  holds('leaves the neighbours of a write alone', async (t, device) => {
    const { sectorSize } = device;
    const around = patterned(9 * sectorSize, 1);
    await device.write(around, 8 * sectorSize);
    const inside = patterned(sectorSize, 2);
    await device.write(inside, 11 * sectorSize);
    inside.copy(around, 3 * sectorSize);
    same(t, await readBack(device, 8 * sectorSize, around.length), around);
  });

  holds('zeroes exactly the range it was told to', async (t, device) => {
    const { sectorSize } = device;
    const length = 300 * sectorSize;
    const wanted = patterned(length, 4);
    await device.write(wanted, 0);
    await device.writeZeroes(5 * sectorSize, 250 * sectorSize);
    wanted.fill(0, 5 * sectorSize, 255 * sectorSize);
    same(t, await readBack(device, 0, length), wanted);
  });

  holds('keeps the rest when a range is discarded', async (t, device) => {
    const { sectorSize } = device;
    const wanted = patterned(64 * sectorSize, 6);
    await device.write(wanted, 0);
    await device.discard(16 * sectorSize, 16 * sectorSize);
    same(t, await readBack(device, 0, 16 * sectorSize), wanted.subarray(0, 16 * sectorSize));
    same(t, await readBack(device, 32 * sectorSize, 32 * sectorSize), wanted.subarray(32 * sectorSize));
  });

  holds('refuses what lies outside or off the grid and touches nothing', async (t, device) => {
    const { size, sectorSize } = device;
    const sector = Buffer.alloc(sectorSize, 1);
    for (const offset of [-sectorSize, 1, sectorSize / 2, size, size + sectorSize, NaN, 2 ** 60, 0.5]) {
      await refused(t, () => device.read(sector, offset));
      await refused(t, () => device.write(sector, offset));
      await refused(t, () => device.writeZeroes(offset, sectorSize));
      await refused(t, () => device.discard(offset, sectorSize));
    }
    await refused(t, () => device.write(Buffer.alloc(2 * sectorSize), size - sectorSize));
    await refused(t, () => device.read(Buffer.alloc(sectorSize - 1), 0));
    await refused(t, () => device.writeZeroes(0, size + sectorSize));
    t.true((await readBack(device, 0, sectorSize)).every((byte) => byte === 0));
    t.true((await readBack(device, size - sectorSize, sectorSize)).every((byte) => byte === 0));
  });

  holds('takes nothing at all at any place, its end included', async (t, device) => {
    await device.read(Buffer.alloc(0), device.size);
    await device.write(Buffer.alloc(0), 0);
    await device.writeZeroes(device.size, 0);
    t.pass();
  });

  holds('takes calls that overlap in time', async (t, device) => {
    const { sectorSize } = device;
    const pieces = Array.from({ length: 24 }, (_, i) => patterned(33 * sectorSize, i));
    await Promise.all(pieces.map((piece, i) => device.write(piece, i * 33 * sectorSize)));
    const back = await Promise.all(
      pieces.map((piece, i) => readBack(device, i * 33 * sectorSize, piece.length)),
    );
    t.true(Buffer.concat(back).equals(Buffer.concat(pieces)));
  });

  holds('names every byte that is not zero in its data extents, on the sector grid', async (t, device) => {
    const { sectorSize } = device;
    const at = 2 * 1024 * 1024 + sectorSize;
    await device.write(patterned(sectorSize, 8), at);
    await device.flush();
    if (device.dataExtents === undefined) {
      t.pass();
      return;
    }
    const extents = await device.dataExtents();
    let end = -1;
    for (const extent of extents) {
      t.true(extent.start > end && extent.length > 0 && extent.start + extent.length <= device.size);
      t.is(extent.start % sectorSize, 0);
      t.is(extent.length % sectorSize, 0);
      end = extent.start + extent.length;
    }
    t.true(extents.some(({ start, length }) => start <= at && at + sectorSize <= start + length));
  });
}
