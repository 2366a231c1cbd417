import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { RemetalError } from '../errors/index.ts';
import { agentSegment, type AgentSegment } from './agent.ts';
import { baseSegment } from './base.ts';
import { defaultCache, exists, hashFile, inScratch, keyOf, type OnStep } from './cache.ts';
import { imageFolder, LABEL, writeImage } from './image.ts';
import { gather, type Ingredients } from './ingredients.ts';
import { writeInitramfs, type Tree } from './initramfs.ts';
import { menuSettings, type MenuSettings } from './menu.ts';
import { copyrightOf, sbom, type BuiltFile } from './sbom.ts';

/** What to build. Only `output` is needed. */
export interface BuildOptions {
  /** The image to write; `.sha256`, `.spdx.json`, `.vmlinuz` and `.initrd` are written beside it. */
  readonly output: string;
  /** Answers file to bake in: the unattended entry is then shown and starts by itself. */
  readonly answers?: string;
  /** Where stages are kept; `${XDG_CACHE_HOME:-~/.cache}/remetal` by default. */
  readonly cache?: string;
  /** `quick` zstd 3, `normal` 12, `release` 19. The same level gives the same bytes. */
  readonly compression?: 'quick' | 'normal' | 'release';
  /** Words added to the kernel line of every entry that starts the appliance. */
  readonly kernelWords?: readonly string[];
  /** Folders laid over the root, after the committed overlay. */
  readonly overlays?: readonly string[];
  /** A folder with firmware files, laid over /usr/lib/firmware. */
  readonly firmware?: string;
  /** Folders with backup sets, put on the image below `/sets/<name of the folder>`. */
  readonly includeSets?: readonly string[];
  /** The entry that starts by itself; `unattended` with answers, `local` without. */
  readonly defaultEntry?: MenuSettings['defaultEntry'];
  /** Pause of the menu; 10 with answers, 15 without. */
  readonly timeoutSeconds?: number;
  /** Also write kernel and initramfs for network boot; on by default. */
  readonly netboot?: boolean;
  /** Ask the package sources for newer versions now. */
  readonly refresh?: boolean;
  /** The checkout to build from; the one this file is in by default. */
  readonly source?: string;
  /** The program that becomes the agent, relative to `source`; `src/cli/main.ts` by default. */
  readonly entry?: string;
  readonly onStep?: OnStep;
}

export interface BuildResult {
  readonly iso: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly label: string;
  readonly kernel: string;
  /** Files written beside the image. */
  readonly beside: {
    readonly sha256: string;
    readonly sbom: string;
    readonly vmlinuz?: string;
    readonly initrd?: string;
  };
  /** One line that tells a person what to do with it. */
  readonly howToBoot: string;
}

const levels = { quick: 3, normal: 12, release: 19 } as const;

/** Where a baked-in answers file lies in the appliance. */
export const ANSWERS_PLACE = 'etc/remetal/answers.yaml';

/**
 * Builds the bootable image. Needs no root: packages come from the machine's package sources, checked by
 * their signatures, and are unpacked into the cache; so do the programs that put the image together.
 * Built again from the same versions it is the same, byte for byte. Throws `build-failed`,
 * `package-unverified`, `usage`.
 */
export async function buildAppliance(options: BuildOptions): Promise<BuildResult> {
  const onStep: OnStep = options.onStep ?? (() => {});
  const output = resolve(options.output);
  const level = levels[options.compression ?? 'normal'];
  const settings = settingsOf(options);
  const settingsText = menuSettings(settings);
  await mkdir(dirname(output), { recursive: true });
  const ingredients = await gather({
    cache: resolve(options.cache ?? defaultCache()),
    source: resolve(options.source ?? fileURLToPath(new URL('../..', import.meta.url))),
    refresh: options.refresh === true,
    onStep,
  });
  const { cache, source, tools, version } = ingredients;

  onStep({ stage: 'root', state: 'started', detail: 'programs, libraries, kernel modules' });
  const base = await baseSegment({
    ingredients,
    level,
    overlays: (options.overlays ?? []).map((folder) => resolve(folder)),
    firmware: options.firmware === undefined ? null : resolve(options.firmware),
  });
  onStep({ stage: 'root', state: base.reused ? 'reused' : 'done', detail: 'base initramfs' });

  onStep({ stage: 'agent', state: 'started', detail: 'bundle, single executable' });
  const entry = options.entry ?? 'src/cli/main.ts';
  const agent = await agentSegment({ cache, source, entry, level, tools, version });
  onStep({ stage: 'agent', state: agent.reused ? 'reused' : 'done', detail: 'agent initramfs' });

  const beside = await inScratch(cache, async (scratch) => {
    const segments = new Map([
      ['base.img', base.segment],
      ['agent.img', agent.segment],
    ]);
    if (options.answers !== undefined) {
      const segment = join(scratch, 'answers.img');
      await writeInitramfs(segment, await answersTree(options.answers), 0, tools);
      segments.set('answers.img', segment);
    }
    onStep({ stage: 'image', state: 'started', detail: output });
    await imageFrom({
      ingredients,
      segments,
      settingsText,
      scratch,
      output,
      extra: await extraFiles(options, ingredients),
    });
    onStep({ stage: 'image', state: 'done', detail: output });
    return writeBeside({ options, output, ingredients, segments, agent });
  });
  return {
    iso: output,
    sizeBytes: (await stat(output)).size,
    sha256: beside.sha256,
    label: LABEL,
    kernel: ingredients.kernel,
    beside: beside.beside,
    howToBoot:
      `Burn ${basename(output)} or write it to a stick (remetal write-usb /dev/sdX --iso ${basename(output)}), ` +
      'start the machine from it and choose in the menu; by itself it ' +
      (settings.defaultEntry === 'local'
        ? 'starts the local disk.'
        : `takes the entry "${settings.defaultEntry}".`),
  };
}

/** Puts segments, kernel and menu of a build together. The image is named by what is in it. */
export async function imageFrom(request: {
  readonly ingredients: Ingredients;
  /** File on the image to segment; `base.img` and `agent.img` are those the menu loads always. */
  readonly segments: ReadonlyMap<string, string>;
  readonly settingsText: string;
  readonly scratch: string;
  readonly output: string;
  readonly extra: ReadonlyMap<string, string>;
}): Promise<void> {
  const { ingredients, segments, settingsText } = request;
  const { vmlinuz, boot, tools } = ingredients;
  const grubConfiguration = await readFile(join(ingredients.source, 'iso', 'grub.cfg'), 'utf8');
  const hashes: string[] = [];
  for (const file of [...segments.values(), vmlinuz]) hashes.push(await hashFile(file));
  await writeImage({
    output: request.output,
    scratch: request.scratch,
    buildId: keyOf(hashes, settingsText, grubConfiguration, ingredients.version).slice(0, 32),
    kernel: vmlinuz,
    segments,
    grubConfiguration,
    settings: settingsText,
    boot,
    extra: request.extra,
    tools,
  });
}

function settingsOf(options: BuildOptions): MenuSettings {
  const answers = options.answers !== undefined;
  return {
    defaultEntry: options.defaultEntry ?? (answers ? 'unattended' : 'local'),
    timeoutSeconds: options.timeoutSeconds ?? (answers ? 10 : 15),
    kernelWords: options.kernelWords ?? [],
    segments: answers ? ['/remetal/answers.img'] : [],
    answers,
  };
}

async function answersTree(answers: string): Promise<Tree> {
  const content = await readFile(answers).catch((error: unknown) => {
    throw new RemetalError('usage', `The answers file ${answers} cannot be read`, { cause: error });
  });
  return new Map([[ANSWERS_PLACE, { type: 'file', mode: 0o600, source: content }]]);
}

/** Licence texts of everything in the image, and the sets that were asked for. */
async function extraFiles(
  options: BuildOptions,
  { appliance, boot, source }: Ingredients,
): Promise<Map<string, string>> {
  const extra = new Map<string, string>();
  for (const unpacked of [...appliance, ...boot]) {
    const copyright = copyrightOf(unpacked);
    if (await exists(copyright)) extra.set(`licences/${unpacked.name}.txt`, copyright);
  }
  const page = join(source, 'docs', 'licences.md');
  if (await exists(page)) extra.set('licences/README.md', page);
  for (const folder of options.includeSets ?? []) {
    const name = basename(resolve(folder));
    for (const [path, file] of await imageFolder(resolve(folder), `sets/${name}`)) extra.set(path, file);
  }
  return extra;
}

interface BesideRequest {
  readonly options: BuildOptions;
  readonly output: string;
  readonly ingredients: Ingredients;
  readonly segments: ReadonlyMap<string, string>;
  readonly agent: AgentSegment;
}

async function writeBeside(request: BesideRequest): Promise<Pick<BuildResult, 'sha256' | 'beside'>> {
  const { options, output, ingredients } = request;
  const sha256 = await hashFile(output);
  const files: BuiltFile[] = [{ name: basename(output), sha256 }];
  const beside: { sha256: string; sbom: string; vmlinuz?: string; initrd?: string } = {
    sha256: `${output}.sha256`,
    sbom: `${output}.spdx.json`,
  };
  await writeFile(beside.sha256, `${sha256}  ${basename(output)}\n`);
  if (options.netboot !== false) {
    beside.vmlinuz = `${output}.vmlinuz`;
    beside.initrd = `${output}.initrd`;
    await concatenate([ingredients.vmlinuz], beside.vmlinuz);
    await concatenate([...request.segments.values()], beside.initrd);
    for (const path of [beside.vmlinuz, beside.initrd]) {
      files.push({ name: basename(path), sha256: await hashFile(path) });
    }
  }
  const manifest: unknown = JSON.parse(await readFile(join(ingredients.source, 'package.json'), 'utf8'));
  const document = await sbom({
    name: basename(output),
    packages: [...ingredients.appliance, ...ingredients.boot],
    bundled: request.agent.bundled,
    files,
    version: z.object({ version: z.string() }).parse(manifest).version,
  });
  await writeFile(beside.sbom, `${JSON.stringify(document, null, 2)}\n`);
  return { sha256, beside };
}

async function concatenate(parts: readonly string[], output: string): Promise<void> {
  const chunks = async function* (): AsyncGenerator<Buffer> {
    for (const part of parts) yield* createReadStream(part, { highWaterMark: 1 << 20 });
  };
  await pipeline(chunks, createWriteStream(output));
}
