import type { ExtInode } from './inode.ts';
import { damaged } from './mapping.ts';

/*
 * Access control lists. On disk: the kernel's fs/ext4/acl.h; as an attribute: posix_acl_xattr.h. Only users
 * and groups with a name have an id on disk; as an attribute every entry has one.
 */

const diskVersion = 1;
const attributeVersion = 2;
const noId = 0xff_ff_ff_ff;
const tags = { owner: 0x01, user: 0x02, owningGroup: 0x04, group: 0x08, mask: 0x10, other: 0x20 };
const known = new Set<number>(Object.values(tags));

/** The value of `system.posix_acl_access` or `…_default` for a list as ext stores it. Throws `filesystem-damaged`. */
export function aclAttribute(inode: Pick<ExtInode, 'number'>, stored: Buffer): Buffer {
  if (stored.length < 4 || stored.readUInt32LE(0) !== diskVersion) {
    throw damaged(inode, 'its access control list is none');
  }
  const header = Buffer.alloc(4);
  header.writeUInt32LE(attributeVersion);
  const out = [header];
  for (let at = 4; at < stored.length;) {
    const tag = at + 4 <= stored.length ? stored.readUInt16LE(at) : 0;
    const named = tag === tags.user || tag === tags.group;
    const length = named ? 8 : 4;
    if (!known.has(tag) || at + length > stored.length) {
      throw damaged(inode, 'an entry of its access control list is none');
    }
    const entry = Buffer.alloc(8);
    entry.writeUInt16LE(tag, 0);
    entry.writeUInt16LE(stored.readUInt16LE(at + 2), 2);
    entry.writeUInt32LE(named ? stored.readUInt32LE(at + 4) : noId, 4);
    out.push(entry);
    at += length;
  }
  return Buffer.concat(out);
}
