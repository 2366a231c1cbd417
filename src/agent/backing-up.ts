import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { backup, checkSource, readBase, type SourceDisk } from '../backup/index.ts';
import { parseSize } from '../bytes/index.ts';
import { openDisk } from '../disk/index.ts';
import { openMedium, setOfName, type Medium } from '../medium/index.ts';
import type { HostFileSystem } from '../system/index.ts';
import type { TargetDisk } from '../restore/request.ts';
import { findTarget } from '../restore/targets.ts';
import type { Answers } from './answers.ts';
import { asTarget } from './candidates.ts';
import { fileSystemAt, surveyMedia, type Survey } from './media.ts';
import { parsePlace } from './place.ts';
import { tellDisks } from './restoring.ts';
import { Tapes } from './tapes.ts';
import { tapeOperator } from './tape-operator.ts';
import { waitingFor } from './waiting.ts';
import type { AgentWorld, RunOutcome } from './world.ts';

type BackupAnswers = NonNullable<Answers['backup']>;

/** Backs up as the answers say, which leave nothing open. Throws what any part of it throws. */
export async function backUp(world: AgentWorld, answers: Answers): Promise<RunOutcome> {
  const wanted = answers.backup!;
  const place = parsePlace(wanted.to!);
  const tapes = new Tapes(world, tapeOperator(world, { unattendedSeconds: answers.wait }));
  const settled = await waitingFor(
    world,
    {
      what: 'destination',
      seconds: answers.wait,
      codes: ['medium-not-found', 'target-not-found', 'disk-not-found', 'drive-not-found'],
    },
    async () => {
      const survey = await surveyMedia(world.machine);
      const to =
        place.by === 'tape'
          ? await tapes.drive(place.value)
          : fileSystemAt(survey, await world.machine.disks(), place);
      const sources = await sourceCandidates(world, survey, 'disk' in to ? to.disk : null);
      return {
        to,
        sources,
        disks: wanted.disks!.map((rule, i) => findTarget(`backup.disks[${i}]`, rule, sources)),
      };
    },
  );
  tellDisks(world, settled.sources);
  const { disks, to } = settled;
  const job = { disks, manner: wanted };
  if ('disk' in to) return await imageOnto(world, { to, folder: place.path ?? '' }, job);
  return await image(world, { ...job, medium: tapes.medium(to), place: to.address, folder: null });
}

/** The machine's disks as sources: the boot medium and the disk of the destination are reserved. */
export async function sourceCandidates(
  { machine }: AgentWorld,
  survey: Survey,
  toDisk: string | null,
): Promise<TargetDisk[]> {
  for (const found of survey.fileSystems) await machine.unmount(found);
  const candidates: TargetDisk[] = [];
  for (const disk of await machine.disks()) {
    candidates.push(
      await asTarget(disk, { bootDisk: survey.bootDisk, setDisks: new Set(toDisk === null ? [] : [toDisk]) }),
    );
  }
  return candidates;
}

export interface Imaging {
  readonly disks: readonly TargetDisk[];
  readonly medium: Medium;
  /** What the medium is called, and the folder that no disk imaged may hold; null on tape. */
  readonly place: string;
  readonly folder: string | null;
  readonly manner: Omit<BackupAnswers, 'disks' | 'to'>;
}

/** Where on a file system a set goes. */
export interface Destination {
  readonly to: HostFileSystem;
  /** Below the top of the destination; made where it is missing. */
  readonly folder: string;
}

/** Images disks into a folder of a file system, which is mounted for that long. */
export async function imageOnto(
  world: AgentWorld,
  { to, folder: below }: Destination,
  job: Pick<Imaging, 'disks' | 'manner'>,
): Promise<RunOutcome> {
  const { machine } = world;
  const { partSize } = job.manner;
  const top = await machine.mount(to, true);
  try {
    const folder = join(top, below);
    await mkdir(folder, { recursive: true });
    const size = typeof partSize === 'string' ? parseSize(partSize) : partSize;
    const medium = openMedium(folder, size === undefined ? {} : { partSize: size });
    return await image(world, { ...job, medium, place: folder, folder });
  } finally {
    await machine.unmount(to);
  }
}

/** Images disks onto a medium, which is closed then, with progress on every console. */
export async function image(world: AgentWorld, job: Imaging): Promise<RunOutcome> {
  const { console, machine, signal } = world;
  const { manner, medium, place, folder } = job;
  const opened: SourceDisk[] = [];
  const began = machine.clock();
  try {
    for (const { identity } of job.disks) {
      if (folder !== null) await checkSource(identity.path, folder);
      opened.push({ device: await openDisk(identity.path), identity });
    }
    const base =
      manner.since === undefined
        ? null
        : await readBase(medium, await setOfName(medium, manner.since), [medium]);
    const stages = console.stages('backup');
    let result;
    try {
      result = await backup({
        disks: opened,
        medium,
        machine: { ...(await machine.facts()), hostname: manner.name },
        name: manner.name,
        note: manner.note,
        allSectors: manner.allSectors,
        keepDeleted: manner.keepDeleted,
        onReadError: manner.onReadError,
        level: manner.level,
        now: machine.now(),
        reporter: stages.reporter,
        signal,
        ...(base === null ? {} : { since: base.since }),
      });
    } catch (error) {
      await stages.end('failed');
      throw error;
    } finally {
      await base?.since.close();
    }
    await stages.end('done');
    const { totals, set } = result;
    const sum = (field: 'kept' | 'stored'): number =>
      totals.volumes.reduce((bytes, volume) => bytes + volume[field], 0);
    const unreadable = totals.volumes.filter((volume) => volume.unreadable.length > 0);
    for (const { volume, unreadable: extents } of unreadable) {
      const bytes = extents.reduce((all, { length }) => all + length, 0);
      console.event('damage', { volume, bytes, files: 0, reason: 'could not be read' });
    }
    console.event('backup-done', {
      set,
      place,
      kept: sum('kept'),
      stored: sum('stored'),
      seconds: Math.round((machine.clock() - began) / 1000),
    });
    return { exceptions: unreadable.length };
  } finally {
    for (const { device } of opened) await device.close();
    await medium.close();
  }
}
