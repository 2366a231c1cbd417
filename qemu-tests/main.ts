/**
 * Runs the scenarios named on the command line, or all: one line each, and at the end
 * `N passed, N failed` alone on a line. Exits with 1 when one failed.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { cutAllPower, missingTools, patient } from './harness/index.ts';
import { originalServer, type Original } from './server/index.ts';
import type { Scenario } from './steps/index.ts';

const here = import.meta.dirname;
const logs = join(here, 'logs');

/* The quick and telling ones first. */
const order = ['host-backup', 'bios-cd', 'uefi-usb', 'secure-boot', 'power-cut', 'tape-oracle'];

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function place(name: string): number {
  return order.includes(name) ? order.indexOf(name) : order.length;
}

function allNames(): string[] {
  const names = readdirSync(here).filter((name) => existsSync(join(here, name, 'scenario.ts')));
  return names.toSorted((a, b) => place(a) - place(b) || a.localeCompare(b));
}

async function load(name: string): Promise<Scenario> {
  const module: { scenario: Scenario } = await import(pathToFileURL(join(here, name, 'scenario.ts')).href);
  return module.scenario;
}

/* The scenario's own time is the last resort: every machine and every wait has a limit of its own. */
async function withinTime(scenario: Scenario, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const overtime = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      cutAllPower();
      reject(new Error(`It ran longer than ${scenario.seconds} s.`));
    }, patient(scenario.seconds));
  });
  try {
    await Promise.race([work, overtime]);
  } finally {
    clearTimeout(timer);
  }
}

function inTime(began: number): string {
  return `${Math.round((performance.now() - began) / 1000)} s`;
}

async function runOne(name: string, original: Original, shared: string): Promise<boolean> {
  const scenario = await load(name);
  const scratch = mkdtempSync(join(tmpdir(), `remetal-${name}-`));
  const own = join(logs, name);
  rmSync(own, { recursive: true, force: true });
  mkdirSync(own, { recursive: true });
  const began = performance.now();
  const tell = (line: string): void => say(`  ${name} ${inTime(began).padStart(6)}  ${line}`);
  say(`${name}: ${scenario.proves}`);
  try {
    await withinTime(scenario, scenario.run({ logs: own, scratch, shared, original, tell }));
    say(`${name}: passed (${inTime(began)})`);
    return true;
  } catch (error) {
    say(`${name}: FAILED after ${inTime(began)}: ${error instanceof Error ? error.message : String(error)}`);
    say(`  logs and screenshots: ${own}`);
    return false;
  } finally {
    cutAllPower();
    rmSync(scratch, { recursive: true, force: true });
  }
}

function finish(passed: number, failed: number): never {
  say(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const wanted = process.argv.slice(2);
const known = allNames();
if (wanted.includes('--list')) {
  for (const name of known) say(`${name}: ${(await load(name)).proves}`);
  process.exit(0);
}
const unknown = wanted.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  say(`There is no scenario ${unknown.join(', ')}; there are ${known.join(', ')}.`);
  process.exit(2);
}
const chosen = wanted.length === 0 ? known : known.filter((name) => wanted.includes(name));
const missing = missingTools();
for (const { name, debianPackage } of missing) say(`${name} is missing (Debian package ${debianPackage})`);
if (process.getuid?.() !== 0) say('The server under test is made with loop devices, which needs root.');
if (missing.length > 0 || process.getuid?.() !== 0) finish(0, chosen.length);

mkdirSync(logs, { recursive: true });
const shared = mkdtempSync(join(tmpdir(), 'remetal-shared-'));
process.once('exit', () => rmSync(shared, { recursive: true, force: true }));
const began = performance.now();
let original: Original;
try {
  original = await originalServer(join(logs, 'original'), (line) =>
    say(`  original ${inTime(began).padStart(6)}  ${line}`),
  );
} catch (error) {
  say(`The original server could not be made: ${error instanceof Error ? error.message : String(error)}`);
  finish(0, chosen.length);
}
let passed = 0;
for (const name of chosen) if (await runOne(name, original, shared)) passed++;
finish(passed, chosen.length - passed);
