import type { Catalogue } from './catalogue.ts';
import type { RunTable } from './run-table.ts';
import type { StagedFiles } from './staged-files.ts';
import type { TargetFolder } from './target-folder.ts';

/** What the steps of an extraction work on. */
export interface Parts {
  readonly target: TargetFolder;
  readonly catalogue: Catalogue;
  /** Runs that are read at their places. */
  readonly placed: RunTable;
  /** Runs that are read through the tree. */
  readonly through: RunTable;
  readonly staged: StagedFiles;
}
