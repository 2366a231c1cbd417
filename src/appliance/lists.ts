/** A line of `iso/packages.txt`: a package and the programs taken from it. */
export interface ListedPackage {
  readonly name: string;
  readonly programs: readonly string[];
}

export interface PackageList {
  /** What the appliance's root is made of. */
  readonly appliance: readonly ListedPackage[];
  /** Kernel and boot loaders. */
  readonly boot: readonly ListedPackage[];
  /** Programs the build itself runs, so that it needs none of the machine's own. */
  readonly builder: readonly ListedPackage[];
  /** Library packages never followed, `*` at the end for any ending. */
  readonly without: readonly string[];
}

/** Reads `iso/packages.txt`. */
export function parsePackageList(text: string): PackageList {
  const groups = new Map<string, ListedPackage[]>();
  let group: ListedPackage[] = [];
  for (const line of text.split('\n')) {
    const heading = /^\[(\w+)\]$/.exec(line.trim());
    if (heading !== null) {
      group = [];
      groups.set(heading[1]!, group);
      continue;
    }
    const [name, ...programs] = line.trim().split(/\s+/);
    if (name === undefined || name === '' || name.startsWith('#')) continue;
    group.push({ name, programs });
  }
  const of = (name: string): ListedPackage[] => groups.get(name) ?? [];
  return {
    appliance: of('appliance'),
    boot: of('boot'),
    builder: of('builder'),
    without: of('without').map((entry) => entry.name),
  };
}

/** One paragraph of a Debian control file: field name to value, continuation lines joined by newlines. */
export type Paragraph = ReadonlyMap<string, string>;

/** Reads deb822 text (Debian policy, chapter 5). */
export function parseControl(text: string): Paragraph[] {
  const paragraphs: Paragraph[] = [];
  let current = new Map<string, string>();
  let field = '';
  for (const line of text.split('\n')) {
    if (line.trim() === '') {
      if (current.size > 0) paragraphs.push(current);
      current = new Map();
    } else if (line.startsWith(' ') || line.startsWith('\t')) {
      current.set(field, `${current.get(field) ?? ''}\n${line.trim()}`);
    } else if (line.includes(':')) {
      field = line.slice(0, line.indexOf(':'));
      current.set(field, line.slice(line.indexOf(':') + 1).trim());
    }
  }
  if (current.size > 0) paragraphs.push(current);
  return paragraphs;
}

/** The first alternative of each dependency of a package, without versions and architectures. */
export function dependenciesOf(paragraph: Paragraph): string[] {
  return [paragraph.get('Pre-Depends'), paragraph.get('Depends')]
    .flatMap((field) => (field ?? '').split(','))
    .map(
      (clause) =>
        clause
          .split('|')[0]!
          .trim()
          .split(/[\s:(]/)[0]!,
    )
    .filter((name) => name !== '');
}

/** True when a `without` line covers the package. */
export function isLeftOut(name: string, without: readonly string[]): boolean {
  return without.some((rule) => (rule.endsWith('*') ? name.startsWith(rule.slice(0, -1)) : name === rule));
}
