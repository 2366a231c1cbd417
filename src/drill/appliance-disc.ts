import { readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { SetReader } from '../archive/index.ts';
import { RemetalError } from '../errors/index.ts';
import { run } from '../system/index.ts';

/** The label of the disc with the sets and the answers. */
const label = 'DRILL';
const settingsPlace = '/boot/grub/settings.cfg';

/** What the target of a disk of a set reports as its serial. */
export function targetSerial(disk: string): string {
  return `DRILL-${disk.toUpperCase()}`;
}

/** The answers of an unattended restore of all disks of a set. */
export function drillAnswers({ name, layout }: Pick<SetReader, 'name' | 'layout'>): unknown {
  return {
    version: 1,
    action: 'restore',
    set: { from: `label:${label}/sets`, name },
    targets: Object.fromEntries(layout.disks.map(({ id }) => [id, { serial: targetSerial(id) }])),
    after: 'poweroff',
    onFailure: 'poweroff',
  };
}

/**
 * What the settings of an appliance's boot menu become, so that it reads its answers from the disc and asks nothing.
 * Throws `usage` for a text that is no such file.
 */
export function drillSettings(settings: string): string {
  const wanted: readonly (readonly [name: string, value: string])[] = [
    ['default', 'unattended'],
    ['timeout', '1'],
    ['remetal_answers', '"yes"'],
    ['remetal_words', `"remetal.answers=label:${label}/answers.yaml"`],
  ];
  return wanted.reduce((text, [name, value]) => {
    const line = new RegExp(`^set ${name}=.*$`, 'm');
    if (!line.test(text)) {
      throw new RemetalError('usage', 'The image given is no appliance this program knows how to start', {
        hint: 'Build one with `remetal build`, or leave out --appliance.',
        facts: { missing: name },
      });
    }
    return text.replace(line, `set ${name}=${value}`);
  }, settings);
}

/* Without the prefix, a path below /dev is taken for a burner. */
function address(path: string): string {
  return `stdio:${resolve(path)}`;
}

/**
 * Copies an appliance so that it starts unattended, with the answers of the disc `makeSetDisc` makes. All else of it, its
 * boot records among that, stays as it is. Throws `program-missing`, `program-failed`, `usage`.
 */
export async function unattendedAppliance(
  iso: string,
  folder: string,
  signal?: AbortSignal,
): Promise<string> {
  const options = signal === undefined ? {} : { signal };
  const settings = join(folder, 'settings.cfg');
  const copy = join(folder, 'appliance.iso');
  try {
    await run(
      'xorriso',
      ['-osirrox', 'on', '-indev', address(iso), '-extract', settingsPlace, settings],
      options,
    );
  } catch (cause) {
    if (!(cause instanceof RemetalError) || cause.code !== 'program-failed') throw cause;
    throw new RemetalError('usage', `${iso} is no appliance`, {
      hint: 'Build one with `remetal build`, or leave out --appliance.',
      facts: { appliance: iso },
      cause,
    });
  }
  const text = drillSettings(await readFile(settings, 'utf8'));
  await rm(settings);
  await writeFile(settings, text);
  const drives = ['-indev', address(iso), '-outdev', address(copy)];
  const change = ['-boot_image', 'any', 'replay', '-map', settings, settingsPlace];
  await run('xorriso', [...drives, ...change], options);
  return copy;
}

/** Makes the disc with the files of a set and the answers. Throws `program-missing`, `program-failed`. */
export async function makeSetDisc(
  request: { readonly files: readonly string[]; readonly answers: unknown; readonly folder: string },
  signal?: AbortSignal,
): Promise<string> {
  const { files, answers, folder } = request;
  const disc = join(folder, 'set.iso');
  const text = join(folder, 'answers.yaml');
  // JSON is YAML too.
  await writeFile(text, `${JSON.stringify(answers, null, 2)}\n`);
  const grafts = [
    ['answers.yaml', text],
    ...files.map((file) => [`sets/${basename(file)}`, resolve(file)]),
  ].map(([place, file]) => `/${escaped(place!)}=${escaped(file!)}`);
  const shape = ['-iso-level', '3', '-R', '-V', label, '-o', disc, '-graft-points'];
  await run('xorriso', ['-as', 'mkisofs', ...shape, ...grafts], signal === undefined ? {} : { signal });
  return disc;
}

/* mkisofs(8): equals signs and backslashes in names of graft points. */
function escaped(path: string): string {
  return path.replaceAll('\\', '\\\\').replaceAll('=', '\\=');
}
