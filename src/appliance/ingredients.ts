import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RemetalError } from '../errors/index.ts';
import { exists, keyOf, keyOfFolder, type OnStep } from './cache.ts';
import { buildEpoch } from './epoch.ts';
import { parsePackageList, type PackageList } from './lists.ts';
import { fetchPackages, resolvePackages, unpackPackages, type UnpackedPackage } from './packages.ts';
import { unpackedTools, type Tools } from './tools.ts';

/** Everything an image is made from, fetched and unpacked. */
export interface Ingredients {
  readonly cache: string;
  readonly source: string;
  readonly list: PackageList;
  /** Packages of the root. */
  readonly appliance: readonly UnpackedPackage[];
  /** Kernel and boot loaders. */
  readonly boot: readonly UnpackedPackage[];
  readonly kernelPackage: UnpackedPackage;
  /** `6.1.0-56-amd64` */
  readonly kernel: string;
  readonly vmlinuz: string;
  readonly tools: Tools;
  /** Key of the builder itself: a stage made by another version of it is made anew. */
  readonly version: string;
}

/**
 * Settles, fetches and unpacks the packages that `iso/packages.txt` of a checkout names. Throws
 * `build-failed` where there is no checkout, `package-unverified`.
 */
export async function gather(request: {
  readonly cache: string;
  readonly source: string;
  readonly refresh: boolean;
  readonly onStep: OnStep;
}): Promise<Ingredients> {
  const { cache, source, onStep } = request;
  await mkdir(cache, { recursive: true });
  const listed = join(source, 'iso', 'packages.txt');
  if (!(await exists(listed))) {
    throw new RemetalError('build-failed', `There is no checkout of the source at ${source}`, {
      hint: 'Build the appliance from a checkout, not from inside the appliance.',
    });
  }
  const list = parsePackageList(await readFile(listed, 'utf8'));
  const resolution = await resolvePackages({ cache, list, refresh: request.refresh, onStep });
  const wanted = [...resolution.appliance, ...resolution.boot, ...resolution.builder];
  const packages = [...new Map(wanted.map((item) => [item.sha256, item])).values()];
  await fetchPackages({ cache, packages, onStep });
  const unpacked = await unpackPackages({ cache, packages, onStep });
  const these = (group: readonly { sha256: string }[]): UnpackedPackage[] =>
    group.map((item) => unpacked.find((candidate) => candidate.sha256 === item.sha256)!);
  const boot = these(resolution.boot);
  const kernelPackage = boot.find((item) => item.name === `linux-image-${resolution.kernel}`)!;
  return {
    cache,
    source,
    list,
    appliance: these(resolution.appliance),
    boot,
    kernelPackage,
    kernel: resolution.kernel,
    vmlinuz: join(kernelPackage.folder, 'boot', `vmlinuz-${resolution.kernel}`),
    tools: await unpackedTools(these(resolution.builder)),
    version: keyOf(await keyOfFolder(join(source, 'src', 'appliance')), buildEpoch()),
  };
}
