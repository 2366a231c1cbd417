import { basename } from 'node:path';

/** The name of the module in a file; the kernel takes `-` and `_` in names for the same. */
export function nameOf(path: string): string {
  return basename(path)
    .replace(/\.ko(\.\w+)?$/, '')
    .replaceAll('-', '_');
}

/** Modules to load one after the other, by depmod's `modules.dep`: `path: what it needs, the last first`. */
export function loadOrder(dependencies: string, builtin: string, wanted: readonly string[]): string[] {
  const lines = new Map(
    dependencies
      .split('\n')
      .filter((line) => line.includes(':'))
      .map((line) => {
        const [path = '', needs = ''] = line.split(':');
        return [nameOf(path), [path, ...needs.split(' ').filter((need) => need !== '')]] as const;
      }),
  );
  const within = new Set(builtin.split('\n').map(nameOf));
  const order = new Set<string>();
  for (const name of wanted) {
    const chain = lines.get(name);
    if (chain === undefined && !within.has(name)) throw new Error(`The kernel has no module ${name}.`);
    for (const path of (chain ?? []).toReversed()) order.add(path);
  }
  return [...order];
}
