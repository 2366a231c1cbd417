import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import anyTest, { type ExecutionContext } from 'ava';

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

type Body = (t: ExecutionContext<any>) => unknown;

interface RegisteringTest {
  (title: string, body: Body): void;
  serial(title: string, body: Body): void;
}

function registering(missing: string[]): RegisteringTest {
  if (missing.length === 0) {
    return Object.assign(
      (title: string, body: Body): void =>
        anyTest(title, async (t) => {
          await body(t);
        }),
      {
        serial: (title: string, body: Body): void =>
          anyTest.serial(title, async (t) => {
            await body(t);
          }),
      },
    );
  }
  const reason = `needs ${missing.join(', ')}`;
  const instead = (title: string): void => {
    if (process.env['CI'] === 'true') anyTest(`${title} (${reason})`, (t) => t.fail(reason));
    else anyTest.skip(`${title} (${reason})`, (t) => t.fail(reason));
  };
  return Object.assign(instead, { serial: instead });
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
