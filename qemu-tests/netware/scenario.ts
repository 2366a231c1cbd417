import { join } from 'node:path';
import { run } from '../harness/index.ts';
import {
  agentFinished,
  agentLines,
  appliance,
  mediumLabel,
  must,
  newDisk,
  nextAgentLine,
  remetalOk,
  usbMedium,
  withAppliance,
  type Rig,
  type Scenario,
} from '../steps/index.ts';
import type { Drive } from '../harness/index.ts';
import type { ManifestEntry, NetwareManifest } from '../../test/fixtures/netware-maker.ts';
import { bootFiles, netwareServer } from './server.ts';

const MiB = 2 ** 20;
const reader = join(import.meta.dirname, '../../tools/netware-reader.py');

interface Case {
  readonly name: string;
  /** MiB of each new disk. */
  readonly disks: readonly number[];
  readonly keepDeleted: boolean;
  readonly answers: Readonly<Record<string, unknown>>;
  /** Sectors of the first disk that cannot be written. */
  readonly failing?: readonly number[];
}

/** What a server may tell of a file, without where it lies. */
function told(entry: ManifestEntry): string {
  const { path, type, deleted, size, sha256, attributes, created, modified, archived } = entry;
  const { owner, trustees, names, last_access: accessed, inherited_rights: rights } = entry;
  const facts = [
    size,
    sha256,
    attributes,
    created,
    modified,
    archived,
    accessed,
    owner,
    rights,
    trustees,
    names,
  ];
  return JSON.stringify([path, type, deleted, ...facts.map((fact) => fact ?? null)]);
}

function lines(entries: readonly ManifestEntry[], deleted: boolean): string[] {
  return entries
    .filter((entry) => deleted || !entry.deleted)
    .map(told)
    .toSorted();
}

/** Holds restored disks to what was on the server, by the reader that shares no code with the product. */
async function prove(
  rig: Rig,
  made: NetwareManifest,
  { name, keepDeleted }: Case,
  disks: string[],
): Promise<void> {
  await remetalOk(rig, ['check', ...disks]);
  const found: NetwareManifest = JSON.parse(await run('python3', [reader, '--json', ...disks]));
  for (const [volume, { entries }] of Object.entries(made.volumes)) {
    const wanted = lines(entries, keepDeleted);
    const here = lines(found.volumes[volume]?.entries ?? [], true);
    const [lost] = wanted.filter((line) => !here.includes(line));
    const [more] = here.filter((line) => !wanted.includes(line));
    must(
      lost === undefined && more === undefined,
      `${name}: ${volume} differs: lost ${lost ?? '-'}, came ${more ?? '-'}`,
    );
  }
  for (const [file, content] of Object.entries(bootFiles)) {
    const text = await run('mtype', ['-i', `${disks[0]}@@${63 * 512}`, `::/${file}`]);
    must(
      text.trim() === content.trim().replaceAll('\r\n', '\n') || text.trim() === content.trim(),
      `${name}: ${file} of the boot partition differs.`,
    );
  }
  await run('fsck.fat', ['-n', await bootPartition(rig, disks[0]!)]);
}

async function bootPartition(rig: Rig, disk: string): Promise<string> {
  const file = join(rig.scratch, 'boot-partition');
  await run('dd', [`if=${disk}`, `of=${file}`, 'bs=512', 'skip=63', `count=${17 * 2048}`, 'status=none']);
  return file;
}

async function restore(rig: Rig, made: NetwareManifest, one: Case): Promise<void> {
  const set = join(rig.scratch, `set-${one.name}`);
  const kept = one.keepDeleted ? ['--keep-deleted'] : [];
  await remetalOk(rig, [
    'backup',
    ...made.paths.flatMap((path) => ['--disk', path]),
    '--to',
    set,
    '--name',
    'fs1',
    ...kept,
  ]);
  const medium = await usbMedium(rig, 'ext4', set);
  const files = one.disks.map((size, index) => newDisk(rig, `${one.name}${index + 1}.raw`, size * MiB));
  const iso = await appliance(rig, {
    version: 1,
    action: 'restore',
    set: { from: `label:${mediumLabel}` },
    targets: Object.fromEntries(
      files.map((_, index) => [`disk${index + 1}`, { serial: `NEW-${index + 1}` }]),
    ),
    verify: true,
    after: 'poweroff',
    onFailure: 'poweroff',
    ...one.answers,
  });
  const drives = files.map((file, index): Drive => ({
    file,
    format: 'raw',
    controller: 'virtio-scsi',
    serial: `NEW-${index + 1}`,
    ...(index === 0 && one.failing !== undefined ? { failingSectors: one.failing } : {}),
  }));
  await withAppliance(
    rig,
    { name: one.name, iso, from: 'cd', firmware: 'bios', drives: [...drives, medium], seconds: 500 },
    async (machine) => {
      const done = await nextAgentLine(machine, 'restore-done', 300);
      must(done['verified'] === 'yes', `${one.name}: it was not read back.`);
      await agentFinished(machine, 0, 60);
      const moved = agentLines(machine).filter(({ values }) => values['code'] === 'netware-unit-moved');
      const wanted = one.failing?.length ?? 0;
      must(moved.length === wanted, `${one.name}: ${moved.length} units were moved, not ${wanted}.`);
      must(
        (one.failing ?? []).every((sector) =>
          moved.some(({ values }) => values['message']?.includes(String(sector))),
        ),
        `${one.name}: it tells ${JSON.stringify(moved)}.`,
      );
      await machine.stopped(60);
    },
  );
  await prove(rig, made, one, files);
  rig.tell(`${one.name}: every file is there`);
}

/* The first blocks of FAT and directory of SYS, and one of a file, as its plan puts them on the first disk. */
async function tellingSectors(rig: Rig, made: NetwareManifest, sizes: readonly number[]): Promise<number[]> {
  const set = join(rig.scratch, 'set-for-plan');
  await remetalOk(rig, [
    'backup',
    ...made.paths.flatMap((path) => ['--disk', path]),
    '--to',
    set,
    '--name',
    'fs1',
  ]);
  const files = sizes.map((size, index) => newDisk(rig, `plan${index + 1}.raw`, size * MiB));
  const output = await remetalOk(rig, ['--json', 'plan', set, ...files.flatMap((file) => ['--disk', file])]);
  const result = output
    .split('\n')
    .map((line): { type?: string; plan?: PlanFacts } => (line.startsWith('{') ? JSON.parse(line) : {}))
    .find(({ type }) => type === 'result');
  const start = result?.plan?.steps.find(({ kind, name }) => kind === 'volume' && name === 'SYS')
    ?.segments?.[0]?.start;
  must(start !== undefined, 'The plan has no step for SYS.');
  const entry = made.partitions.flatMap(({ vdt }) => vdt).find(({ name }) => name === 'SYS')!;
  const letter = made.volumes['SYS']!.entries.find(({ path }) => path.endsWith('LETTER.TXT'))!;
  return [entry.fat1, entry.dir2, letter.first_block!].map((block) => start + block * 8 + 3);
}

interface PlanFacts {
  readonly steps: readonly {
    readonly kind: string;
    readonly name?: string;
    readonly segments?: readonly { readonly start: number }[];
  }[];
}

export const scenario: Scenario = {
  proves:
    'a NetWare server with two disks comes back on one larger disk, on three smaller ones, and on a disk that fails writes: volumes, files, dates, trustees, and deleted files as chosen',
  seconds: 1500,
  async run(rig) {
    const made = netwareServer(rig);
    await restore(rig, made, {
      name: 'one-larger',
      disks: [400],
      keepDeleted: true,
      answers: { grow: 'VOL1' },
    });
    await restore(rig, made, { name: 'three-smaller', disks: [62, 30, 40], keepDeleted: false, answers: {} });
    const sizes = [90, 70];
    const failing = await tellingSectors(rig, made, sizes);
    await restore(rig, made, { name: 'failing', disks: sizes, keepDeleted: false, answers: {}, failing });
  },
};
