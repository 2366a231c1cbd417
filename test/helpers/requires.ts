import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import anyTest, { type TestFn } from 'ava';

function onPath(tool: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

interface RegisteringTest {
  (title: string, body: Parameters<TestFn>[1]): void;
  serial(title: string, body: Parameters<TestFn>[1]): void;
}

function registering(missing: string[]): RegisteringTest {
  if (missing.length === 0) {
    const run = ((title, body) => anyTest(title, body as never)) as RegisteringTest;
    run.serial = (title, body) => anyTest.serial(title, body as never);
    return run;
  }
  const reason = `needs ${missing.join(', ')}`;
  const instead = (title: string): void => {
    if (process.env['CI'] === 'true') anyTest(`${title} (${reason})`, (t) => t.fail(reason));
    else anyTest.skip(`${title} (${reason})`, (t) => t.fail(reason));
  };
  return Object.assign(instead as unknown as RegisteringTest, { serial: instead });
}

/** `test` for cases that need these programs: skipped by name on a laptop, failing when CI=true. */
export function requires(...tools: string[]): RegisteringTest {
  return registering(tools.filter((tool) => !onPath(tool)));
}

/** As `requires`, for cases that also need root (mounts, loop devices). */
export function requiresRoot(...tools: string[]): RegisteringTest {
  const missing = tools.filter((tool) => !onPath(tool));
  return registering(process.getuid?.() === 0 ? missing : ['root', ...missing]);
}
