import { lstat, readdir, readlink } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { RemetalError } from '../errors/index.ts';
import { run, type RunResult } from '../system/index.ts';
import { buildEpoch } from './epoch.ts';
import type { UnpackedPackage } from './packages.ts';

const programFolders = ['usr/sbin', 'sbin', 'usr/bin', 'bin'];
const libraryFolders = ['lib/x86_64-linux-gnu', 'usr/lib/x86_64-linux-gnu', 'lib64', 'usr/lib64'];
const LOADER = 'ld-linux-x86-64.so.2';

/** Follows symbolic links inside an unpacked package, whose absolute links mean its own root. */
async function settle(folder: string, path: string): Promise<string | null> {
  let current = path;
  for (let hops = 0; hops < 16; hops++) {
    const facts = await lstat(join(folder, current)).catch(() => null);
    if (facts === null) return null;
    if (!facts.isSymbolicLink()) return join(folder, current);
    const target = await readlink(join(folder, current));
    current = target.startsWith('/') ? target.slice(1) : posix.join(posix.dirname(current), target);
    if (current.startsWith('..')) return null;
  }
  return null;
}

/** Finds a program of a package, wherever it keeps programs: its place in the package and the file itself. */
export async function findProgram(
  unpacked: UnpackedPackage,
  program: string,
): Promise<{ place: string; file: string }> {
  for (const place of programFolders) {
    const file = await settle(unpacked.folder, `${place}/${program}`);
    if (file !== null) return { place, file };
  }
  throw new RemetalError('build-failed', `The package ${unpacked.name} has no program ${program}`, {
    hint: 'Look at iso/packages.txt.',
    facts: { package: unpacked.name, version: unpacked.version, program },
  });
}

/** Library name to file, over all packages; the first package that has a name wins. */
export async function libraryIndex(packages: readonly UnpackedPackage[]): Promise<Map<string, string>> {
  const index = new Map<string, string>();
  for (const unpacked of packages) {
    for (const place of libraryFolders) {
      const names = await readdir(join(unpacked.folder, place)).catch((): string[] => []);
      for (const name of names.toSorted()) {
        if (!name.includes('.so') || index.has(name)) continue;
        const file = await settle(unpacked.folder, `${place}/${name}`);
        if (file !== null) index.set(name, file);
      }
    }
  }
  return index;
}

/** The programs the build runs, taken from the packages instead of from the machine. */
export interface Tools {
  run(program: string, args: readonly string[], cwd?: string): Promise<RunResult>;
}

/**
 * Runs programs of unpacked packages with the C library they were linked for, whatever the machine
 * has: the dynamic loader is started by hand and told where the libraries are.
 */
export async function unpackedTools(packages: readonly UnpackedPackage[]): Promise<Tools> {
  const index = await libraryIndex(packages);
  const loader = index.get(LOADER);
  if (loader === undefined) {
    throw new RemetalError('build-failed', 'The packages of the build have no dynamic loader');
  }
  const path = [...new Set([...index.values()].map((file) => dirname(file)))];
  return {
    async run(program, args, cwd) {
      for (const unpacked of packages) {
        const found = await findProgram(unpacked, program).catch(() => null);
        if (found === null) continue;
        const launch = ['--library-path', path.join(':'), '--argv0', program, found.file, ...args];
        return run(loader, launch, {
          env: { TZ: 'UTC', MTOOLSRC: '/dev/null', SOURCE_DATE_EPOCH: String(buildEpoch()) },
          ...(cwd === undefined ? {} : { cwd }),
        });
      }
      throw new RemetalError('build-failed', `The packages of the build have no program ${program}`);
    },
  };
}

/** Where libraries go in the appliance, and the loader, whose place is part of every program. */
export function libraryPlace(name: string): string {
  return name === LOADER ? `usr/lib64/${name}` : `usr/lib/x86_64-linux-gnu/${name}`;
}
