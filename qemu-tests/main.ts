/**
 * Runs the scenarios named on the command line, or all: one line each, and at the end
 * `N passed, N failed` alone on a line. Exits with 1 when one failed.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { missingTools } from './harness/index.ts';
import { Lanes } from './lanes/lanes.ts';
import { inOrder } from './lanes/plan.ts';
import { parseRequest, usage, type Request } from './lanes/request.ts';
import { loadScenario, scenarioNames } from './lanes/scenarios.ts';
import { originalServer, type Original } from './server/index.ts';

const began = performance.now();
const logs = join(import.meta.dirname, 'logs');

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function misused(why: string): never {
  say(why);
  process.exit(2);
}

function finish(passed: number, failed: number): never {
  say(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}

function request(): Request {
  try {
    return parseRequest(process.argv.slice(2));
  } catch (error) {
    return misused(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
  }
}

/** The server the scenarios bring back; without it none can be run. */
async function madeOriginal(chosen: readonly string[]): Promise<Original> {
  try {
    return await originalServer(join(logs, 'original'), (line) =>
      say(`  original ${`${Math.round((performance.now() - began) / 1000)} s`.padStart(6)}  ${line}`),
    );
  } catch (error) {
    say(`The original server could not be made: ${error instanceof Error ? error.message : String(error)}`);
    return finish(0, chosen.length);
  }
}

const asked = request();
const known = inOrder(scenarioNames());
if (asked.list) {
  for (const name of known) say(`${name}: ${(await loadScenario(name)).proves}`);
  process.exit(0);
}
const unknown = [...asked.named, ...asked.except].filter((name) => !known.includes(name));
if (unknown.length > 0) misused(`There is no scenario ${unknown.join(', ')}; there are ${known.join(', ')}.`);
const wanted = asked.named.length === 0 ? known : known.filter((name) => asked.named.includes(name));
const chosen = wanted.filter((name) => !asked.except.includes(name));
const missing = missingTools();
for (const { name, debianPackage } of missing) say(`${name} is missing (Debian package ${debianPackage})`);
if (process.getuid?.() !== 0) say('The server under test is made with loop devices, which needs root.');
if (missing.length > 0 || process.getuid?.() !== 0) finish(0, chosen.length);

let lanes: Lanes | null = null;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void (lanes?.breakOff() ?? Promise.resolve()).finally(() => process.exit(1)));
}
mkdirSync(logs, { recursive: true });
const shared = mkdtempSync(join(tmpdir(), 'remetal-shared-'));
process.once('exit', () => rmSync(shared, { recursive: true, force: true }));
const original = await madeOriginal(chosen);
lanes = new Lanes(chosen, asked, { logs, shared, original }, began, say);
const { passed, failed, notRun } = await lanes.run();
if (notRun.length > 0) say(`not run for lack of time: ${notRun.length} (${notRun.join(', ')})`);
finish(passed, failed);
