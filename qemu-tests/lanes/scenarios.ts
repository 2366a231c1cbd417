import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Scenario } from '../steps/index.ts';

const top = dirname(import.meta.dirname);

/** The names of all scenarios: folders with a `scenario.ts`. */
export function scenarioNames(): string[] {
  return readdirSync(top).filter((name) => existsSync(join(top, name, 'scenario.ts')));
}

export async function loadScenario(name: string): Promise<Scenario> {
  const module: { scenario: Scenario } = await import(pathToFileURL(join(top, name, 'scenario.ts')).href);
  return module.scenario;
}
