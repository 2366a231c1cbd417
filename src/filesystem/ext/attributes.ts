import type { ExtendedAttribute } from '../file-tree.ts';
import { readBytes } from '../reading.ts';
import { aclAttribute } from './acl.ts';
import type { ExtInode, ExtVolume } from './inode.ts';
import { damaged } from './mapping.ts';
import { inside } from './tree.ts';

/*
 * Extended attributes: behind the fields of the inode, in a block of their own, and values of their own inodes.
 * Source: the Linux kernel's documentation, ext4/attributes.rst.
 */

const magic = 0xea_02_00_00;
const blockHeader = 32;
const entryHeader = 16;
/** No value is longer than the kernel takes (XATTR_SIZE_MAX). */
const longestValue = 65_536;

/** What stands for the beginning of a name. The others (inline data, encryption) are no attributes to anybody. */
const prefixes: Readonly<Record<number, string>> = {
  1: 'user.',
  2: 'system.posix_acl_access',
  3: 'system.posix_acl_default',
  4: 'trusted.',
  6: 'security.',
  10: 'gnu.',
};
const isAcl = (index: number): boolean => index === 2 || index === 3;

/** Reads the value that an inode of its own holds. */
export type ReadValue = (inode: number, length: number) => Promise<Buffer>;

/** All attributes of an inode as Linux tells them, by name. Throws `filesystem-damaged`, `disk-read-failed`. */
export async function attributesOf(
  context: ExtVolume,
  inode: ExtInode,
  readValue: ReadValue,
): Promise<ExtendedAttribute[]> {
  const { raw, xattrBlock } = inode;
  const out: ExtendedAttribute[] = [];
  const parse = async (bytes: Buffer, first: number, base: number): Promise<void> => {
    for (const entry of entriesIn(inode, bytes, first)) {
      const prefix = prefixes[entry.index];
      if (prefix === undefined) continue;
      const { length } = entry;
      const start = base + entry.offset;
      if (length > longestValue || (entry.inode === 0 && length > 0 && start + length > bytes.length)) {
        throw damaged(inode, 'the value of an extended attribute leaves its place');
      }
      const value =
        entry.inode === 0
          ? Buffer.from(bytes.subarray(start, start + length))
          : await readValue(entry.inode, length);
      const name = prefix + entry.name;
      out.push({ name, value: isAcl(entry.index) ? aclAttribute(inode, value) : value });
    }
  };
  if (raw.length > 128) {
    const first = 128 + raw.readUInt16LE(0x80);
    if (first + 4 <= raw.length && raw.readUInt32LE(first) === magic) await parse(raw, first + 4, first + 4);
  }
  if (xattrBlock !== 0) {
    const { blockSize } = context.sb;
    if (!inside(context, xattrBlock, 1)) throw damaged(inode, 'its block of attributes lies outside');
    const block = await readBytes(context.volume, xattrBlock * blockSize, blockSize);
    if (block.readUInt32LE(0) !== magic) throw damaged(inode, 'its block of extended attributes is none');
    await parse(block, blockHeader, 0);
  }
  return out.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

interface Entry {
  readonly index: number;
  readonly name: string;
  readonly offset: number;
  readonly length: number;
  /** Whose content the value is; 0 where it lies beside its name. */
  readonly inode: number;
}

function* entriesIn(inode: ExtInode, bytes: Buffer, first: number): Generator<Entry> {
  // Four bytes of zeros end the list; one that fills its place to the end needs none.
  for (let at = first; at + 4 <= bytes.length && bytes.readUInt32LE(at) !== 0;) {
    const nameLength = bytes.readUInt8(at);
    if (at + entryHeader + nameLength > bytes.length) {
      throw damaged(inode, 'the name of an extended attribute leaves its place');
    }
    yield {
      index: bytes.readUInt8(at + 1),
      name: bytes.toString('utf8', at + entryHeader, at + entryHeader + nameLength),
      offset: bytes.readUInt16LE(at + 2),
      inode: bytes.readUInt32LE(at + 4),
      length: bytes.readUInt32LE(at + 8),
    };
    at += entryHeader + Math.ceil(nameLength / 4) * 4;
  }
}
