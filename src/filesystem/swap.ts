import type { BlockDevice } from '../disk/block-device.ts';
import { RemetalError } from '../errors/index.ts';
import type { FileSystem, FileSystemDriver, UsedMap } from './filesystem.ts';
import { tryReadBytes } from './reading.ts';
import { labelText, uuidText } from './text.ts';
import { wholeMap } from './whole.ts';

/*
 * Linux swap areas. Layout: union swap_header in the Linux kernel's include/linux/swap.h, checked
 * against mkswap of util-linux. The signature fills the last ten bytes of the first page; the page
 * size is that of the machine which made it.
 */

const pageSizes = [4096, 8192, 16_384, 32_768, 65_536];
const signatureLength = 10;
const at = {
  version: 1024,
  lastPage: 1028,
  badPages: 1032,
  uuid: 1036,
  label: 1052,
  padding: 1068,
  list: 1536,
};

/** Signatures that suspend-to-disk writes over `SWAPSPACE2`: in-kernel, uswsusp, and what went before. */
const hibernated = [
  'S1SUSPEND',
  'S2SUSPEND',
  'ULSUSPEND',
  'LINHIB0001',
  '\u00ED\u00C3\u0002\u00E9\u0098V\u00E5\f',
];

interface SwapHeader {
  readonly page: Buffer;
  readonly state: 'swap' | 'hibernated' | 'old';
  readonly big: boolean;
}

function parse(bytes: Buffer): SwapHeader | null {
  for (const size of pageSizes) {
    if (bytes.length < size) break;
    const signature = bytes.toString('latin1', size - signatureLength, size);
    const page = bytes.subarray(0, size);
    const big = page.readUInt32LE(at.version) !== 1 && page.readUInt32BE(at.version) === 1;
    if (signature === 'SWAPSPACE2') return { page, state: 'swap', big };
    if (signature === 'SWAP-SPACE') return { page, state: 'old', big };
    if (hibernated.some((one) => signature.startsWith(one))) return { page, state: 'hibernated', big };
  }
  return null;
}

const word = ({ page, big }: SwapHeader, offset: number): number =>
  big ? page.readUInt32BE(offset) : page.readUInt32LE(offset);

/** Why the header is not one to drop a volume's contents on; null where it is. */
function doubt(header: SwapHeader, size: number): string | null {
  if (header.state === 'hibernated') {
    return 'The swap area holds the memory of a hibernated system: every sector is taken';
  }
  if (header.state === 'old')
    return 'The swap area is of the old kind without a header: every sector is taken';
  if (word(header, at.version) !== 1) {
    return `The swap area is of version ${word(header, at.version)}: every sector is taken`;
  }
  const last = word(header, at.lastPage);
  const bad = word(header, at.badPages);
  const sound =
    last > 0 &&
    (last + 1) * header.page.length <= size &&
    bad <= (header.page.length - signatureLength - at.list) / 4 &&
    header.page.subarray(at.padding, at.list).every((byte) => byte === 0);
  return sound ? null : 'The header of the swap area contradicts itself: every sector is taken';
}

async function probe(volume: BlockDevice): Promise<FileSystem | null> {
  const longest = pageSizes.at(-1) ?? 0;
  const bytes = await tryReadBytes(volume, 0, Math.min(longest, volume.size));
  const header = bytes === null ? null : parse(bytes);
  if (header === null) return null;
  const pageSize = header.page.length;
  const keep = [{ start: 0, length: Math.min(pageSize, volume.size) }];
  const reason = doubt(header, volume.size);
  const map: UsedMap =
    reason === null ? { used: keep, trusted: true, reason: null } : wholeMap(volume, reason);
  return {
    facts: {
      type: 'swap',
      uuid: header.state === 'old' ? null : uuidText(header.page.subarray(at.uuid, at.uuid + 16)),
      label: header.state === 'old' ? null : labelText(header.page.subarray(at.label, at.label + 16)),
      size: header.state === 'old' ? volume.size : (word(header, at.lastPage) + 1) * pageSize,
      blockSize: pageSize,
    },
    usedMap: () => Promise.resolve(map),
    controlSet: () => Promise.resolve(keep),
  };
}

/**
 * The first page for a swap area of `size` bytes: that of `stored` with another last page. UUID, label
 * and bad pages stay.
 *
 * @throws `filesystem-damaged` where `stored` does not begin with a swap header of version 1.
 */
export function grownSwapHeader(stored: Buffer, size: number): Buffer {
  const header = parse(stored);
  if (header === null || doubt(header, Number.MAX_SAFE_INTEGER) !== null) {
    throw new RemetalError('filesystem-damaged', 'The stored swap area has no header that can be grown');
  }
  const page = Buffer.from(header.page);
  const last = Math.min(Math.floor(size / page.length) - 1, 0xff_ff_ff_ff);
  if (last < word(header, at.lastPage)) return page;
  if (header.big) page.writeUInt32BE(last, at.lastPage);
  else page.writeUInt32LE(last, at.lastPage);
  return page;
}

/** Linux swap: the header is kept, the contents are not. */
export const swapDriver: FileSystemDriver = {
  family: 'swap',
  probe,
  growth: { by: 'header', grownHeader: grownSwapHeader },
};
