import { RemetalError } from '../errors/index.ts';

/** The tables of one kernel that a closure is computed from, as depmod(8) and the package write them. */
export interface ModuleTables {
  /** modules.dep: `path: dependency paths` */
  readonly dependencies: string;
  /** modules.softdep: `softdep name pre: … post: …` */
  readonly soft: string;
  /** modules.builtin: one path a line. */
  readonly builtin: string;
  /** modules.alias: `alias pattern name` */
  readonly aliases: string;
}

/** A wanted module; `optional` when the kernel may lack it. */
export interface WantedModule {
  readonly name: string;
  readonly optional: boolean;
}

/** Reads the committed list: names separated by blanks, `[group]` lines and `#` comments skipped. */
export function parseModuleList(text: string): WantedModule[] {
  return text
    .split('\n')
    .filter((line) => !line.startsWith('#') && !line.startsWith('['))
    .flatMap((line) => line.split(/\s+/))
    .filter((word) => word !== '')
    .map((word) => ({ name: word.replace(/\?$/, ''), optional: word.endsWith('?') }));
}

/** The kernel takes `-` and `_` in module names for the same. */
function normal(name: string): string {
  return name.replaceAll('-', '_');
}

function nameOf(path: string): string {
  return normal(path.slice(path.lastIndexOf('/') + 1).replace(/\.ko(\.\w+)?$/, ''));
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

/**
 * Paths (relative to the kernel's module directory, sorted) of the wanted modules and of everything
 * they depend on, firmly or softly. Throws `build-failed` naming the wanted modules that do not exist.
 */
export function moduleClosure(tables: ModuleTables, wanted: readonly WantedModule[]): string[] {
  const dependencies = new Map<string, string[]>();
  const pathOf = new Map<string, string>();
  for (const line of lines(tables.dependencies)) {
    const colon = line.indexOf(':');
    const path = line.slice(0, colon);
    dependencies.set(
      path,
      line
        .slice(colon + 1)
        .split(' ')
        .filter((word) => word !== ''),
    );
    pathOf.set(nameOf(path), path);
  }
  const builtin = new Set(lines(tables.builtin).map(nameOf));
  const soft = new Map<string, string[]>();
  for (const line of lines(tables.soft)) {
    const [word, name, ...rest] = line.split(/\s+/);
    if (word !== 'softdep' || name === undefined) continue;
    const names = rest.filter((item) => !item.endsWith(':'));
    soft.set(normal(name), [...(soft.get(normal(name)) ?? []), ...names]);
  }
  const aliases = new Map<string, string[]>();
  for (const line of lines(tables.aliases)) {
    const [word, pattern, name] = line.split(' ');
    if (word !== 'alias' || pattern === undefined || name === undefined || pattern.includes('*')) continue;
    aliases.set(normal(pattern), [...(aliases.get(normal(pattern)) ?? []), name]);
  }

  const chosen = new Set<string>();
  const missing: string[] = [];
  const queue: WantedModule[] = [...wanted];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const name = normal(next.name);
    const path = pathOf.get(name);
    if (path === undefined) {
      const named = aliases.get(name);
      if (named !== undefined) queue.push(...named.map((alias) => ({ name: alias, optional: true })));
      else if (!builtin.has(name) && !next.optional) missing.push(next.name);
      continue;
    }
    if (chosen.has(path)) continue;
    chosen.add(path);
    for (const needed of dependencies.get(path) ?? []) queue.push({ name: nameOf(needed), optional: false });
    for (const helper of soft.get(name) ?? []) queue.push({ name: helper, optional: true });
  }
  if (missing.length > 0) {
    throw new RemetalError('build-failed', `The kernel has no module ${missing.join(', ')}`, {
      hint: 'Take the name out of iso/modules.txt, or put a question mark behind it.',
      facts: { missing },
    });
  }
  return [...chosen].toSorted();
}
