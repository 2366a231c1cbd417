import type { FileRun, FileTree, TreeFile } from '../../filesystem/index.ts';

/**
 * As `FileRun`, or with `through` a range that is read through the tree itself; its `start` then says no more than where
 * it is best read among others.
 */
export type TreeRun = FileRun & { readonly through?: true };

/** The files of a volume, by our own reader or mounted by the kernel. */
export interface VolumeTree extends Omit<FileTree, 'runs'> {
  runs(file: TreeFile): AsyncGenerator<TreeRun>;
  /**
   * The bytes of a range that `runs` says is read through the tree, in pieces and in order. Present where `runs`
   * ever says so. `file` needs no more than its paths. Throws system errors.
   */
  content?(file: Pick<TreeFile, 'path' | 'rawPath'>, offset: number, length: number): AsyncGenerator<Buffer>;
}
