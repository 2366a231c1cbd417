import type { Extent } from '../../bytes/extents.ts';
import type { BlockDevice } from '../../disk/block-device.ts';
import { isCoded } from '../../errors/index.ts';
import { ExtentBag } from '../bag.ts';
import { setRuns } from '../bitmap.ts';
import { tryReadBytes } from '../reading.ts';
import { groupsHaveChecksums, readGroups } from './groups.ts';
import {
  beginWalk,
  inodeFlags,
  inodeTableOffset,
  inodesUsed,
  scanInodes,
  type ExtInode,
  type ExtVolume,
} from './inode.ts';
import { neededOf } from './journal.ts';
import { has, superblockLength, superblockOffset, type ExtSuperblock } from './superblock.ts';
import { eachRun } from './tree.ts';

/**
 * The control set: superblock, primary descriptors, bitmaps, the used part of the inode tables,
 * directories with their trees, the targets of long symbolic links, blocks and inodes of extended attributes,
 * the blocks that tell where the contents of files lie, the block of multi-mount protection, and of the journal
 * its first block and, where it must be replayed, what that takes. Copies of the superblock and the descriptors
 * are left out.
 */
export async function extControlSet(volume: BlockDevice, sb: ExtSuperblock): Promise<Extent[]> {
  if (sb.unreadable !== null) return [];
  const context = beginWalk(volume, sb, await readGroups(volume, sb, true));
  await trimTables(context);
  const bag = new ExtentBag();
  const addBlocks = (start: number, length: number): void => {
    if (start > 0 && start + length <= sb.blocks) bag.add(start * sb.blockSize, length * sb.blockSize);
  };
  bag.add(superblockOffset, superblockLength);
  for (const run of context.groups.descriptorBlocks) addBlocks(run.start, run.length);
  addBlocks(sb.mmpBlock, 1);
  for (let group = 0; group < sb.groups; group++) {
    if (context.groups.blockUninit[group] === 0) addBlocks(context.groups.blockBitmap[group]!, 1);
    if (context.groups.inodeUninit[group] === 0) addBlocks(context.groups.inodeBitmap[group]!, 1);
    const table = inodeTableOffset(context, group);
    if (table === null) continue;
    const blocks = Math.ceil((inodesUsed(context, group) * sb.inodeSize) / sb.blockSize);
    addBlocks(table / sb.blockSize, blocks);
  }
  const seen = new Set<number>();
  await scanInodes(context, async (inode) => {
    if (inode.xattrBlock !== 0) addBlocks(inode.xattrBlock, 1);
    const journal = inode.number === sb.journalInode;
    const needed = journal && sb.needsRecovery ? await neededOfJournal(context, inode) : null;
    for (const run of needed ?? []) addBlocks(run.start, run.length);
    const walked = isWalked(inode);
    let first = true;
    await eachRun(context, inode, {
      seen,
      visit(run) {
        if (!journal && !walked && !run.tree) return;
        if (run.tree || !journal || (sb.needsRecovery && needed === null)) addBlocks(run.start, run.length);
        else if (first) addBlocks(run.start, 1);
        if (!run.tree) first = false;
      },
    });
  });
  return bag.extents();
}

/** Null for all of it. */
async function neededOfJournal(context: ExtVolume, inode: ExtInode): Promise<Extent[] | null> {
  try {
    return await neededOf(context, inode);
  } catch (error) {
    if (isCoded(error, 'filesystem-damaged', 'disk-read-failed')) return null;
    throw error;
  }
}

/**
 * Without descriptor checksums nothing tells how much of an inode table was ever used; then the inode
 * bitmaps say where the last inode in use is.
 */
async function trimTables(context: ExtVolume): Promise<void> {
  const { volume, sb, groups } = context;
  if (groupsHaveChecksums(sb)) return;
  for (let group = 0; group < sb.groups; group++) {
    const bitmap = await tryReadBytes(volume, groups.inodeBitmap[group]! * sb.blockSize, sb.blockSize);
    if (bitmap === null) continue;
    let last = 0;
    setRuns(bitmap, sb.inodesPerGroup, (_, to) => (last = to));
    groups.inodesUnused[group] = sb.inodesPerGroup - last;
  }
}

/** Whether listing a tree with all its attributes reads the inode's blocks. */
function isWalked(inode: ExtInode): boolean {
  const named = inode.type === 'directory' || inode.type === 'symlink';
  return named || has(inode.flags, inodeFlags.attributeValue);
}
