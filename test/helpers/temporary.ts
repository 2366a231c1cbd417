import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';

/** A fresh scratch directory, and how to remove it. */
export function temporaryFolder(): { readonly folder: string; readonly remove: () => Promise<void> } {
  const folder = mkdtempSync(join(tmpdir(), 'remetal-test-'));
  return { folder, remove: async () => rmSync(folder, { recursive: true, force: true }) };
}

/** A fresh scratch directory, removed when the test has ended. */
export function temporary(t: ExecutionContext<any>): string {
  const { folder, remove } = temporaryFolder();
  t.teardown(remove);
  return folder;
}
