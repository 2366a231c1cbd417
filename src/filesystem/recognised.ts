import type { BlockDevice } from '../disk/block-device.ts';
import type { FileSystem, FileSystemDriver } from './filesystem.ts';
import { readTolerant, tryReadBytes } from './reading.ts';
import { labelText, uuidText } from './text.ts';
import { wholeMap } from './whole.ts';

/*
 * What is told by name and taken whole. Signatures and offsets: the magic tables of libblkid
 * (util-linux) agree with each; the maker's own documents are named where they exist:
 * LUKS: the LUKS2 On-Disk Format Specification. LVM: lvm2's label and pv_header. md: the kernel's
 * Documentation/admin-guide/md.rst and include/uapi/linux/raid/md_p.h. NTFS, exFAT, BitLocker: the
 * OEM name of the boot sector; Microsoft's exFAT specification. btrfs: its on-disk format page. f2fs:
 * Documentation/filesystems/f2fs.rst. ISO 9660: ECMA-119. ZFS: the ZFS On-Disk Specification.
 * NetWare: two stamps at sectors 32 and 33 of the partition.
 */

interface Named {
  readonly type: string;
  readonly uuid?: string | null;
  readonly label?: string | null;
}

/** The parts of a volume the signatures lie in: its start, up to `headLength`, and its end. */
interface Probed {
  readonly head: Buffer;
  readonly volume: BlockDevice;
}

type Recogniser = (probed: Probed) => Named | null | Promise<Named | null>;

/** btrfs has the farthest signature at a fixed place, 64 KiB and the length of a label. */
const headLength = 72 * 1024;

const latin = (head: Buffer, offset: number, length: number): string =>
  head.toString('latin1', offset, offset + length);

/** A plain signature at a fixed offset. */
function magic(
  type: string,
  offset: number,
  signature: string,
  more?: (head: Buffer) => Omit<Named, 'type'>,
): Recogniser {
  return ({ head }) =>
    latin(head, offset, signature.length) === signature ? { type, ...more?.(head) } : null;
}

const hexSerial = (value: bigint, digits: number): string =>
  value.toString(16).toUpperCase().padStart(digits, '0');

function utf16(bytes: Buffer): string | null {
  const label = bytes.toString('utf16le').split('\0', 1)[0] ?? '';
  return label === '' ? null : label;
}

const lvm: Recogniser = ({ head }) => {
  for (let sector = 0; sector < 4; sector++) {
    const at = sector * 512;
    if (latin(head, at, 8) !== 'LABELONE' || latin(head, at + 24, 8) !== 'LVM2 001') continue;
    const id = at + head.readUInt32LE(at + 20);
    const uuid = id + 32 <= head.length ? latin(head, id, 32) : '';
    return {
      type: 'lvm2-pv',
      uuid: /^[\w!#]{32}$/.test(uuid)
        ? uuid.replace(/^(.{6})(.{4})(.{4})(.{4})(.{4})(.{4})(.{6})$/, '$1-$2-$3-$4-$5-$6-$7')
        : null,
    };
  }
  return null;
};

const mdMagic = 0xa9_2b_4e_fc;

/** Version 1.1 at the start, 1.2 at 4 KiB, 1.0 near the end; version 0.90 in the last 64 KiB. */
const md: Recogniser = async ({ volume }) => {
  const end = Math.floor(volume.size / 512 / 8) * 8 * 512;
  for (const offset of [0, 4096, end - 8192]) {
    const block = await tryReadBytes(volume, offset, 256);
    if (block?.readUInt32LE(0) !== mdMagic || block.readUInt32LE(4) !== 1) continue;
    return {
      type: 'md-member',
      uuid: uuidText(block.subarray(16, 32)),
      label: labelText(block.subarray(32, 64)),
    };
  }
  const old = await tryReadBytes(volume, Math.floor(volume.size / 65_536) * 65_536 - 65_536, 64);
  if (old === null || (old.readUInt32LE(0) !== mdMagic && old.readUInt32BE(0) !== mdMagic)) return null;
  return { type: 'md-member', uuid: uuidText(Buffer.concat([old.subarray(20, 24), old.subarray(52, 64)])) };
};

/** An uberblock in the first of the four labels, in either byte order, on its 1 KiB grid. */
const zfs: Recogniser = async ({ volume }) => {
  const ring = await tryReadBytes(volume, 128 * 1024, 128 * 1024);
  if (ring === null) return null;
  for (let at = 0; at < ring.length; at += 1024) {
    const [little, big] = [ring.readBigUInt64LE(at), ring.readBigUInt64BE(at)];
    if (little === 0xba_b1_0cn || big === 0xba_b1_0cn) return { type: 'zfs-member' };
  }
  return null;
};

const netware: Recogniser = ({ head }) =>
  latin(head, 32 * 512, 8) === 'HOTFIX00' && latin(head, 33 * 512, 8) === 'MIRROR00'
    ? { type: 'netware' }
    : null;

/** Containers stand before what may lie in them. */
const containers: readonly Recogniser[] = [
  magic('luks', 0, 'LUKS\u00BA\u00BE', (head) => ({
    uuid: labelText(head.subarray(168, 208), 'latin1'),
    label: head.readUInt16BE(6) === 2 ? labelText(head.subarray(24, 72)) : null,
  })),
  magic('bitlocker', 3, '-FVE-FS-'),
  lvm,
  md,
  zfs,
  magic(
    'bcache',
    4096 + 24,
    '\u00C6\u0085s\u00F6N\u001AE\u00CA\u0082e\u00F5\u007FH\u00BAm\u0081',
    (head) => ({
      uuid: uuidText(head.subarray(4096 + 40, 4096 + 56)),
    }),
  ),
];

const filesystems: readonly Recogniser[] = [
  magic('ntfs', 3, 'NTFS    ', (head) => ({ uuid: hexSerial(head.readBigUInt64LE(72), 16) })),
  magic('refs', 3, 'ReFS\0\0\0\0'),
  magic('exfat', 3, 'EXFAT   ', (head) => ({
    uuid: hexSerial(BigInt(head.readUInt32LE(100)), 8).replace(/^(.{4})/, '$1-'),
  })),
  magic('btrfs', 0x1_00_40, '_BHRfS_M', (head) => ({
    uuid: uuidText(head.subarray(0x1_00_20, 0x1_00_30)),
    label: labelText(head.subarray(0x1_01_2b, 0x1_02_2b)),
  })),
  magic('f2fs', 1024, '\u0010\u0020\u00F5\u00F2', (head) => ({
    uuid: uuidText(head.subarray(1024 + 108, 1024 + 124)),
    label: utf16(head.subarray(1024 + 124, 1024 + 124 + 1024)),
  })),
  magic('iso9660', 32_769, 'CD001', (head) => ({
    label: labelText(head.subarray(32_808, 32_840), 'latin1'),
  })),
  magic('udf', 32_769, 'BEA01'),
  magic('jfs', 32_768, 'JFS1', (head) => ({ uuid: uuidText(head.subarray(32_768 + 136, 32_768 + 152)) })),
  magic('reiserfs', 65_536 + 52, 'ReIsEr', (head) => ({
    uuid: uuidText(head.subarray(65_536 + 84, 65_536 + 100)),
  })),
  magic('hfsplus', 1024, 'H+'),
  magic('hfsplus', 1024, 'HX'),
  magic('apfs', 32, 'NXSB', (head) => ({ uuid: uuidText(head.subarray(72, 88)) })),
  magic('squashfs', 0, 'hsqs'),
  magic('erofs', 1024, '\u00E2\u00E1\u00F5\u00E0', (head) => ({
    uuid: uuidText(head.subarray(1024 + 48, 1024 + 64)),
  })),
  netware,
];

function driverOf(family: string, recognisers: readonly Recogniser[]): FileSystemDriver {
  return {
    family,
    async probe(volume: BlockDevice): Promise<FileSystem | null> {
      const start = await readTolerant(volume, {
        offset: 0,
        length: Math.min(headLength, volume.size),
        unit: 4096,
      });
      const head = Buffer.concat([start, Buffer.alloc(headLength - start.length)]);
      for (const recognise of recognisers) {
        const named = await recognise({ head, volume });
        if (named !== null) return asFileSystem(volume, named);
      }
      return null;
    },
  };
}

function asFileSystem(volume: BlockDevice, named: Named): FileSystem {
  const { type, uuid = null, label = null } = named;
  const map = wholeMap(volume, `no used map for ${type}: every sector is taken`);
  return {
    facts: { type, uuid, label, size: volume.size, blockSize: volume.sectorSize },
    usedMap: () => Promise.resolve(map),
    controlSet: () => Promise.resolve([]),
  };
}

/** Members of something else: a volume that is one may well look like a file system too. */
export const containerDriver = driverOf('container', containers);

/** File systems whose name is all this program knows. */
export const recognisedDriver = driverOf('recognised', filesystems);
