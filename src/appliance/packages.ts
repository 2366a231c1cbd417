import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isCoded, RemetalError } from '../errors/index.ts';
import { run } from '../system/index.ts';
import { cached, exists, hashFile, keyOf, type OnStep } from './cache.ts';
import { dependenciesOf, isLeftOut, parseControl, type PackageList, type Paragraph } from './lists.ts';

const packageSchema = z.object({
  name: z.string(),
  version: z.string(),
  architecture: z.string(),
  source: z.string(),
  homepage: z.string().nullable(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  size: z.number(),
});

/** A package whose version is settled. The hash is the one in the signed index. */
export type ResolvedPackage = Readonly<z.infer<typeof packageSchema>>;

const resolutionSchema = z.object({
  /** Programs and libraries of the root. */
  appliance: z.array(packageSchema),
  boot: z.array(packageSchema),
  builder: z.array(packageSchema),
  /** Release of the kernel, `6.1.0-56-amd64`. */
  kernel: z.string(),
});

/** Every package of a build, its version settled. */
export type Resolution = Readonly<z.infer<typeof resolutionSchema>>;

/** A resolved package with the folder it is unpacked in. */
export interface UnpackedPackage extends ResolvedPackage {
  readonly folder: string;
}

/** Indexes younger than this are used as they are; milliseconds. */
const FRESH = 24 * 3600 * 1000;

/**
 * apt with a state and cache of our own and the machine's sources and keys: no root, and nothing of the
 * machine's package state touched. The emptied hooks belong to desktops and would touch it.
 */
async function apt(cache: string, program: string, args: readonly string[], cwd?: string): Promise<string> {
  const home = join(cache, 'apt');
  const configuration = join(home, 'apt.conf');
  if (!(await exists(configuration))) {
    await mkdir(join(home, 'state', 'lists', 'partial'), { recursive: true });
    await mkdir(join(home, 'cache', 'archives', 'partial'), { recursive: true });
    await writeFile(join(home, 'state', 'status'), '');
    await writeFile(
      configuration,
      [
        `Dir::State "${home}/state";`,
        `Dir::State::status "${home}/state/status";`,
        `Dir::Cache "${home}/cache";`,
        'APT::Architecture "amd64";',
        'APT::Architectures { "amd64"; };',
        'APT::Sandbox::User "root";',
        'APT::Get::AllowUnauthenticated "false";',
        'Acquire::Languages "none";',
        'Acquire::Retries "3";',
        '#clear APT::Update::Post-Invoke;',
        '#clear APT::Update::Post-Invoke-Success;',
        '',
      ].join('\n'),
    );
  }
  // One at a time: apt gives up at once when another holds its lock.
  const lock = join(home, 'lock');
  const options = cwd === undefined ? {} : { cwd };
  const result = await run('flock', [lock, program, '-q', '-c', configuration, ...args], options);
  return result.stdout;
}

async function paragraphsOf(cache: string, names: readonly string[]): Promise<Map<string, Paragraph>> {
  const found = new Map<string, Paragraph>();
  if (names.length === 0) return found;
  // A purely virtual package makes apt-cache fail after it has shown all others: 100 is not a failure here.
  const home = join(cache, 'apt', 'apt.conf');
  const { stdout } = await run('apt-cache', ['-c', home, 'show', '--no-all-versions', ...names], {
    okStatuses: [0, 100],
  });
  for (const paragraph of parseControl(stdout)) {
    const name = paragraph.get('Package');
    if (name !== undefined && !found.has(name)) found.set(name, paragraph);
  }
  return found;
}

function resolved(paragraph: Paragraph): ResolvedPackage {
  const of = (field: string): string => paragraph.get(field) ?? '';
  return {
    name: of('Package'),
    version: of('Version'),
    architecture: of('Architecture'),
    source: of('Source') === '' ? of('Package') : of('Source').split(' ')[0]!,
    homepage: paragraph.get('Homepage') ?? null,
    sha256: of('SHA256'),
    size: Number(of('Size')),
  };
}

function byName(packages: Iterable<ResolvedPackage>): ResolvedPackage[] {
  return [...packages].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** The listed packages and the library packages below them. Throws `package-unverified` for unknown ones. */
async function withLibraries(
  cache: string,
  listed: PackageList['appliance'],
  without: readonly string[],
): Promise<ResolvedPackage[]> {
  const names = listed.map((entry) => entry.name);
  const chosen = new Map<string, ResolvedPackage>();
  const seen = new Set(names);
  for (let level = [...names], first = true; level.length > 0; first = false) {
    const paragraphs = await paragraphsOf(cache, level);
    if (first) {
      const unknown = names.filter((name) => !paragraphs.has(name));
      if (unknown.length > 0) throw unknownPackages(unknown);
    }
    const next: string[] = [];
    for (const [name, paragraph] of paragraphs) {
      if (!first && !/(^|\/)(libs|oldlibs)$/.test(paragraph.get('Section') ?? '')) continue;
      chosen.set(name, resolved(paragraph));
      next.push(...dependenciesOf(paragraph));
    }
    level = [...new Set(next)].filter((name) => !seen.has(name) && !isLeftOut(name, without));
    for (const name of level) seen.add(name);
  }
  return byName(chosen.values());
}

function unknownPackages(names: readonly string[]): RemetalError {
  return new RemetalError('package-unverified', `The package sources have no ${names.join(', ')}`, {
    hint: 'The appliance is built from Debian packages: look at /etc/apt/sources.list.d.',
    facts: { packages: names },
  });
}

/**
 * Settles the version of every package, from indexes whose signatures apt has checked. What was settled
 * less than a day ago for the same list stays; `refresh` asks anew. Throws `package-unverified`.
 */
export async function resolvePackages(request: {
  readonly cache: string;
  readonly list: PackageList;
  readonly refresh?: boolean;
  readonly onStep: OnStep;
}): Promise<Resolution> {
  const { cache, list, onStep } = request;
  const file = join(cache, `resolution-${keyOf(list).slice(0, 16)}.json`);
  const age = await stat(file).then(
    (facts) => Date.now() - facts.mtimeMs,
    () => Infinity,
  );
  const kept = async (): Promise<Resolution> =>
    resolutionSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  if (age < FRESH && request.refresh !== true) {
    onStep({ stage: 'packages', state: 'reused', detail: 'versions settled earlier' });
    return kept();
  }
  onStep({ stage: 'packages', state: 'started', detail: 'asking the package sources for versions' });
  try {
    await apt(cache, 'apt-get', ['update']);
  } catch (error) {
    // Without a network, yesterday's versions are better than no appliance.
    if (age < Infinity && isCoded(error, 'program-failed')) {
      onStep({ stage: 'packages', state: 'reused', detail: 'sources not reached, versions settled earlier' });
      return kept();
    }
    throw new RemetalError('package-unverified', 'The package sources could not be read', {
      hint: 'See the cause; the network and /etc/apt/sources.list.d are the usual places to look.',
      cause: error,
    });
  }
  const meta = (await paragraphsOf(cache, ['linux-image-amd64'])).get('linux-image-amd64');
  const image = meta && dependenciesOf(meta).find((name) => name.startsWith('linux-image-'));
  if (image === undefined) throw unknownPackages(['linux-image-amd64']);
  const boot = list.boot.map(({ name }) => (name === 'linux-image-amd64' ? image : name));
  const bootParagraphs = await paragraphsOf(cache, boot);
  const unknown = boot.filter((name) => !bootParagraphs.has(name));
  if (unknown.length > 0) throw unknownPackages(unknown);
  const resolution: Resolution = {
    appliance: await withLibraries(cache, list.appliance, list.without),
    boot: byName([...bootParagraphs.values()].map(resolved)),
    builder: await withLibraries(cache, list.builder, list.without),
    kernel: image.slice('linux-image-'.length),
  };
  await writeFile(file, `${JSON.stringify(resolution, null, 2)}\n`);
  onStep({ stage: 'packages', state: 'done', detail: `kernel ${resolution.kernel}` });
  return resolution;
}

/**
 * Fetches the packages the cache lacks with `apt-get download`, which refuses what its signed index does
 * not vouch for, and compares each with that index's hash once more. Throws `package-unverified`.
 */
export async function fetchPackages(request: {
  readonly cache: string;
  readonly packages: readonly ResolvedPackage[];
  readonly onStep: OnStep;
}): Promise<void> {
  const { cache, onStep } = request;
  const folder = join(cache, 'packages');
  await mkdir(folder, { recursive: true });
  const absent: ResolvedPackage[] = [];
  for (const wanted of request.packages) {
    const facts = await stat(debOf(cache, wanted)).catch(() => null);
    if (facts?.size !== wanted.size && !(await exists(unpackedPlace(cache, wanted)))) absent.push(wanted);
  }
  if (absent.length === 0) {
    onStep({ stage: 'packages', state: 'reused', detail: `${request.packages.length} packages` });
    return;
  }
  const bytes = absent.reduce((sum, wanted) => sum + wanted.size, 0);
  const detail = `${absent.length} packages, ${(bytes / 1e6).toFixed(0)} MB`;
  onStep({ stage: 'packages', state: 'started', detail: `fetching ${detail}` });
  try {
    await apt(
      cache,
      'apt-get',
      ['download', ...absent.map((wanted) => `${wanted.name}=${wanted.version}`)],
      folder,
    );
  } catch (error) {
    throw new RemetalError('package-unverified', 'The packages could not be fetched and verified', {
      hint: 'See the cause. If a version is gone from the server, build again with --refresh.',
      cause: error,
    });
  }
  for (const wanted of absent) await verify(cache, wanted);
  onStep({ stage: 'packages', state: 'done', detail });
}

/** apt names a fetched file by package, version and architecture, with the colon of an epoch escaped. */
function debOf(cache: string, wanted: ResolvedPackage): string {
  const version = wanted.version.replaceAll(':', '%3a');
  return join(cache, 'packages', `${wanted.name}_${version}_${wanted.architecture}.deb`);
}

async function verify(cache: string, wanted: ResolvedPackage): Promise<void> {
  const file = debOf(cache, wanted);
  const found = await hashFile(file);
  if (found === wanted.sha256) return;
  await rm(file, { force: true });
  throw new RemetalError('package-unverified', `The package ${wanted.name} does not match its signed index`, {
    hint: 'It was removed from the cache; build again.',
    facts: { package: wanted.name, version: wanted.version, expected: wanted.sha256, found },
  });
}

function unpackedPlace(cache: string, wanted: ResolvedPackage): string {
  return join(cache, 'unpacked', wanted.sha256.slice(0, 24));
}

/** Unpacks packages, each into a folder of its own under the hash of its file. */
export async function unpackPackages(request: {
  readonly cache: string;
  readonly packages: readonly ResolvedPackage[];
  readonly onStep: OnStep;
}): Promise<UnpackedPackage[]> {
  const { cache, packages, onStep } = request;
  onStep({ stage: 'unpack', state: 'started', detail: `${packages.length} packages` });
  let fresh = 0;
  const unpacked: UnpackedPackage[] = [];
  for (const wanted of packages) {
    const { folder, reused } = await cached({
      cache,
      name: 'unpacked',
      key: wanted.sha256,
      make: async (place) => {
        await verify(cache, wanted);
        await run('dpkg-deb', ['-x', debOf(cache, wanted), place]);
      },
    });
    if (!reused) fresh++;
    unpacked.push({ ...wanted, folder });
  }
  onStep({ stage: 'unpack', state: fresh === 0 ? 'reused' : 'done', detail: `${packages.length} packages` });
  return unpacked;
}
