import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';

/** A fresh scratch directory, removed when the test has ended. */
export function temporary(t: ExecutionContext<any>): string {
  const folder = mkdtempSync(join(tmpdir(), 'remetal-test-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
