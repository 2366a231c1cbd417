import { formatBytes } from '../src/bytes/index.ts';
import { memoryDisk, type BlockDevice } from '../src/disk/index.ts';
import { openNetwareVolume } from '../src/filesystem/netware/index.ts';
import type { VolumeDefinition } from '../src/layout/netware/index.ts';

/* A full volume of 10 GB in blocks of 4 KB (EP 0767431 A1 counts 320 KB of bitmap for one), its files in pairs block by block. */
const blockSize = 4096;
const blocks = (10 * 1024 ** 3) / blockSize;
const files = 200_000;
const recordSize = 128;
const end = 0xff_ff_ff_ff;
/** Blocks of FAT and mirror FAT alternate in runs of 256 KiB. */
const run = (256 * 1024) / blockSize;
/** Longer than this and something has gone wrong. */
const mostSeconds = 20;

/** How long the used map and the control set of a full 10 GB volume take, and what memory. */
export async function netwareMap(): Promise<void> {
  const { device, definition } = await fullVolume();
  const memory = process.memoryUsage().rss;
  const began = performance.now();
  const filesystem = await openNetwareVolume(device, definition);
  const opened = performance.now();
  const map = await filesystem.usedMap();
  const control = await filesystem.controlSet();
  const ended = performance.now();
  process.stdout.write(
    `NetWare volume of ${formatBytes(device.size)}, ${blocks} blocks, ${files} files\n` +
      `  FAT and directory, both copies  ${seconds(began, opened)} s\n` +
      `  used map and control set        ${seconds(opened, ended)} s\n` +
      `  memory                          ${formatBytes(process.memoryUsage().rss - memory)}\n` +
      `  a bitmap of it                  ${formatBytes(blocks / 8)}\n`,
  );
  if (!map.trusted) throw new Error(`The map is not trusted: ${map.reason}`);
  if (control.length === 0) throw new Error('The control set is empty');
  if (ended - began > mostSeconds * 1000) throw new Error(`It took more than ${mostSeconds} s`);
}

const seconds = (from: number, to: number): string => ((to - from) / 1000).toFixed(2);

async function fullVolume(): Promise<{ device: BlockDevice; definition: VolumeDefinition }> {
  const fatBlocks = Math.ceil((blocks * 8) / blockSize);
  const directoryBlocks = Math.ceil(((files + 1) * recordSize) / blockSize);
  const fat = Buffer.alloc(fatBlocks * blockSize);
  const chain = (list: readonly number[]): void => {
    for (const [index, block] of list.entries()) {
      fat.writeUInt32LE(index, block * 8);
      fat.writeUInt32LE(list[index + 1] ?? end, block * 8 + 4);
    }
  };
  const fatOf = (copy: number): number[] =>
    Array.from({ length: fatBlocks }, (_, k) => (Math.floor(k / run) * 2 + copy) * run + (k % run));
  let next = Math.max(...fatOf(1)) + 1;
  const take = (count: number): number[] => {
    next += count;
    return Array.from({ length: count }, (_, i) => next - count + i);
  };
  const copies = { fat: [fatOf(0), fatOf(1)], directory: [take(directoryBlocks), take(directoryBlocks)] };
  for (const list of [...copies.fat, ...copies.directory]) chain(list);
  const directory = Buffer.alloc(directoryBlocks * blockSize);
  for (let at = 0; at < directory.length; at += recordSize) directory.writeUInt32LE(end, at);
  rootRecord(directory);
  const each = Math.floor((blocks - next) / files);
  for (let file = 1; file <= files; file += 2) {
    const pair = take(each * 2);
    for (const odd of [0, 1]) {
      const list = pair.filter((_, i) => i % 2 === odd);
      chain(list);
      fileRecord(directory, file + odd, list);
    }
  }
  const device = memoryDisk(blocks * blockSize);
  for (const list of copies.fat) await put(device, list, fat);
  for (const list of copies.directory) await put(device, list, directory);
  const [first, mirror] = copies.directory.map((list) => list[0]!);
  const definition = {
    name: 'BENCH',
    blockShift: 3,
    blocks,
    firstFat: 0,
    mirrorFat: run,
    firstDirectory: first!,
    mirrorDirectory: mirror!,
    segments: [{ firstBlock: 0, blocks }],
    flags: 0,
    sync: 0,
  };
  return { device, definition };
}

function rootRecord(directory: Buffer): void {
  directory.writeUInt32LE(0xff_ff_ff_fd, 0);
  directory.writeUInt32LE(0x10, 4);
  directory.writeUInt8(0x14, 9);
  directory.writeUInt8(0x30, 23);
}

function fileRecord(directory: Buffer, number: number, list: readonly number[]): void {
  const record = directory.subarray(number * recordSize, (number + 1) * recordSize).fill(0);
  record.writeUInt8(0x18, 9);
  record.writeUInt8(record.write(`F${String(number).padStart(7, '0')}`, 12), 11);
  record.writeUInt32LE(list.length * blockSize, 48);
  record.writeUInt32LE(list[0]!, 52);
  record.writeUInt32LE(number, 120);
}

async function put(device: BlockDevice, list: readonly number[], content: Buffer): Promise<void> {
  for (const [k, block] of list.entries()) {
    await device.write(content.subarray(k * blockSize, (k + 1) * blockSize), block * blockSize);
  }
}
