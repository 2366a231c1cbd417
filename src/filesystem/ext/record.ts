import type { FileKind, Moment } from '../file-tree.ts';
import type { Placeless } from '../walk-tree.ts';
import type { ExtInode } from './inode.ts';
import { damaged } from './mapping.ts';

/*
 * What an inode says of its file. Offsets and encodings: the Linux kernel's documentation, ext4/inodes.rst,
 * and of device numbers the kernel's kdev_t.h; all of it as Linux writes it, not Hurd.
 */

const kinds: Readonly<Record<number, FileKind>> = {
  0x1: 'fifo',
  0x2: 'character',
  0x4: 'directory',
  0x6: 'block',
  0x8: 'file',
  0xa: 'link',
  0xc: 'socket',
};

/** Flags that somebody set on purpose, with the letters of lsattr. */
const flagLetters: readonly (readonly [bit: number, letter: string])[] = [
  [0x1, 's'],
  [0x2, 'u'],
  [0x8, 'S'],
  [0x1_00_00, 'D'],
  [0x10, 'i'],
  [0x20, 'a'],
  [0x40, 'd'],
  [0x80, 'A'],
  [0x4, 'c'],
  [0x8_00, 'E'],
  [0x40_00, 'j'],
  [0x80_00, 't'],
  [0x2_00_00, 'T'],
  [0x10_00_00, 'V'],
  [0x80_00_00, 'C'],
  [0x2_00_00_00, 'x'],
  [0x20_00_00_00, 'P'],
  [0x40_00_00_00, 'F'],
];

/** The file of an inode, without its place. Throws `filesystem-damaged` for an inode of no kind. */
export function fileOf(inode: ExtInode): Placeless {
  const { raw, number } = inode;
  const mode = raw.readUInt16LE(0);
  const kind = kinds[mode >> 12];
  if (kind === undefined) throw damaged(inode, 'it is of no kind that is known');
  const sized = kind === 'file' || kind === 'link';
  if (sized && !Number.isSafeInteger(inode.size)) throw damaged(inode, 'its size is none');
  const flags = flagLetters.filter(([bit]) => (inode.flags & bit) !== 0).map(([, letter]) => letter);
  const project = extra(raw, 0x9c) ? raw.readUInt32LE(0x9c) : 0;
  return {
    kind,
    id: number,
    links: raw.readUInt16LE(0x1a),
    size: sized ? inode.size : 0,
    mode: mode & 0o7777,
    owner: {
      user: raw.readUInt16LE(0x02) + raw.readUInt16LE(0x78) * 2 ** 16,
      group: raw.readUInt16LE(0x18) + raw.readUInt16LE(0x7a) * 2 ** 16,
    },
    accessed: moment(raw, 0x08, 0x8c),
    changed: moment(raw, 0x0c, 0x84),
    modified: moment(raw, 0x10, 0x88),
    created: extra(raw, 0x90) ? moment(raw, 0x90, 0x94) : null,
    device: kind === 'character' || kind === 'block' ? deviceOf(raw) : null,
    more: {
      ...(flags.length === 0 ? {} : { flags: flags.join('') }),
      ...(project === 0 ? {} : { project: String(project) }),
    },
  };
}

/** Whether the inode is long enough to hold the four bytes at `at`, which lie behind the first 128. */
function extra(raw: Buffer, at: number): boolean {
  return raw.length > 128 && at + 4 <= Math.min(raw.length, 128 + raw.readUInt16LE(0x80));
}

/** Signed seconds; the low two bits of the extra word are what lies above them, the others nanoseconds. */
function moment(raw: Buffer, at: number, extraAt: number): Moment {
  const seconds = raw.readInt32LE(at);
  if (!extra(raw, extraAt)) return { seconds, nanoseconds: 0 };
  const more = raw.readUInt32LE(extraAt);
  return {
    seconds: seconds + (more & 3) * 2 ** 32,
    nanoseconds: Math.min(more >>> 2, 999_999_999),
  };
}

/** The old form has 8 bits for each number and stands first; the new one has 12 and 20. */
function deviceOf(raw: Buffer): { major: number; minor: number } {
  const old = raw.readUInt32LE(0x28);
  if (old !== 0) return { major: (old >>> 8) & 0xff, minor: old & 0xff };
  const wide = raw.readUInt32LE(0x2c);
  return { major: (wide >>> 8) & 0xf_ff, minor: (wide & 0xff) | ((wide >>> 12) & 0xf_ff_00) };
}
