import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { encodeUstar, tarBlock } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import type { TapeDrive } from './drive.ts';
import {
  beginningLength,
  isAppliance,
  isBootableImage,
  isoSector,
  zoneBlockLength,
  zoneBlocks,
} from './identify.ts';

/** A bootable image that goes before the label of a cartridge. */
export interface ApplianceFile {
  /** Of the image that `remetal build` made. */
  readonly path: string;
  /** In the zone that stand-alone drives with one-button recovery start from. */
  readonly oneButton: boolean;
}

/** What was written, for comparing. */
interface Written {
  readonly bytes: number;
  readonly digest: string;
}

/**
 * Blocks of the image: dd is told of twice as much, which every adapter and every drive take, down to the
 * oldest. Longer ones would keep the image from a machine that has nothing but an old adapter; why not just
 * as long as dd is told, see `usualRecordLimit` in labelling.ts.
 */
const blockLength = 32 * 1024;

const zoneText = `This tape begins with a bootable image, for drives with one-button disaster recovery (OBDR).
The image stands behind these ${zoneBlocks} blocks of ${zoneBlockLength} bytes:

  mt -f /dev/nst0 rewind
  mt -f /dev/nst0 fsr ${zoneBlocks}
  dd if=/dev/nst0 of=remetal.iso bs=64k

In the next file of the tape is the label of the cartridge, with a README.txt: mt -f /dev/nst0 fsf 1
`;

/** What stands before the image in the zone: a tar of just that length, with a word for who finds it. */
function zone(): Buffer[] {
  const bytes = Buffer.alloc(zoneBlocks * zoneBlockLength);
  encodeUstar({ name: 'README.txt', size: zoneText.length, mtime: 0, type: '0' }, bytes, 0);
  bytes.write(zoneText, tarBlock, 'latin1');
  return Array.from({ length: zoneBlocks }, (_, i) =>
    bytes.subarray(i * zoneBlockLength, (i + 1) * zoneBlockLength),
  );
}

/** Throws `usage` unless the file is an image of ours that can be started from where it shall go. */
export async function checkAppliance({ path, oneButton }: ApplianceFile): Promise<void> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(beginningLength), 0, beginningLength, 0);
    const { size } = await file.stat();
    const beginning = buffer.subarray(0, bytesRead);
    if (!isAppliance(beginning) || size % isoSector !== 0) {
      throw new RemetalError('usage', `${path} is no image that \`remetal build\` made.`, {
        hint: 'Make one with `remetal build`.',
        facts: { path },
      });
    }
    if (oneButton && !isBootableImage(beginning)) {
      throw new RemetalError('usage', `${path} has no boot record for optical media.`, {
        hint: 'A drive would not start from it. Leave out --obdr, or make the image anew.',
        facts: { path },
      });
    }
  } finally {
    await file.close();
  }
}

/**
 * Writes the image as the file the tape stands at, with its filemark. Throws `cartridge-full`, what the drive
 * throws, and `interrupted` by the signal.
 */
export async function writeAppliance(
  drive: TapeDrive,
  { path, oneButton }: ApplianceFile,
  signal?: AbortSignal,
): Promise<Written> {
  const hash = createHash('sha256');
  let bytes = 0;
  const file = await open(path, 'r');
  try {
    if (oneButton) for (const block of zone()) await put(drive, block);
    // A drive that plays an optical medium reads its sectors one by one.
    for await (const block of blocksOf(file, oneButton ? isoSector : blockLength)) {
      signal?.throwIfAborted();
      await put(drive, block);
      hash.update(block);
      bytes += block.length;
    }
  } finally {
    await file.close();
  }
  await drive.filemark();
  return { bytes, digest: hash.digest('hex') };
}

/** Throws `drive-failed` unless the image reads back as it was written. The drive stands behind its filemark. */
export async function compareAppliance(
  drive: TapeDrive,
  { oneButton }: ApplianceFile,
  written: Written,
  signal?: AbortSignal,
): Promise<void> {
  const hash = createHash('sha256');
  let bytes = 0;
  await drive.rewind();
  if (oneButton) await drive.toBlock(0, zoneBlocks);
  for (;;) {
    signal?.throwIfAborted();
    const block = await drive.read();
    if (!Buffer.isBuffer(block)) break;
    hash.update(block);
    bytes += block.length;
  }
  if (bytes === written.bytes && hash.digest('hex') === written.digest) return;
  throw new RemetalError('drive-failed', 'The bootable image reads back different from what was written.', {
    hint: 'Clean the drive, and use another cartridge.',
    facts: { drive: drive.name, written: written.bytes, read: bytes },
  });
}

async function* blocksOf(file: FileHandle, length: number): AsyncGenerator<Buffer> {
  for (let at = 0; ;) {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(blockLength), 0, blockLength, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    for (let from = 0; from < bytesRead; from += length) {
      yield buffer.subarray(from, Math.min(from + length, bytesRead));
    }
  }
}

/** Writes a block that must find room. Throws `cartridge-full`. */
export async function put(drive: TapeDrive, block: Buffer): Promise<void> {
  if ((await drive.write(block)) === 'written') return;
  throw new RemetalError('cartridge-full', 'The cartridge is too short for what comes before its sets.', {
    hint: 'Use a longer one, or leave out the bootable image.',
    facts: { drive: drive.name },
  });
}
