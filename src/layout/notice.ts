/**
 * Something about a layout that a person should know and that does not stop the work. The same shape
 * as a progress notice, which stands above this folder.
 */
export interface LayoutNotice {
  readonly level: 'info' | 'warning';
  readonly code:
    | 'boot-sector-unread'
    | 'gpt-backup-damaged'
    | 'gpt-backup-moved'
    | 'gpt-copies-differ'
    | 'gpt-repaired'
    | 'gpt-stale'
    | 'hybrid-mbr'
    | 'no-table';
  readonly message: string;
  readonly facts?: Readonly<Record<string, unknown>>;
}
