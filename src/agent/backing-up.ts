import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { backup, checkSource, type SourceDisk } from '../backup/index.ts';
import { parseSize } from '../bytes/index.ts';
import { openDisk } from '../disk/index.ts';
import { openMedium } from '../medium/index.ts';
import type { HostFileSystem } from '../system/index.ts';
import type { TargetDisk } from '../restore/request.ts';
import { findTarget } from '../restore/targets.ts';
import type { Answers } from './answers.ts';
import { asTarget } from './candidates.ts';
import { fileSystemAt, surveyMedia, type Survey } from './media.ts';
import { parsePlace } from './place.ts';
import { tellDisks } from './restoring.ts';
import { waitingFor } from './waiting.ts';
import type { AgentWorld, RunOutcome } from './world.ts';

type BackupAnswers = NonNullable<Answers['backup']>;

/** Backs up as the answers say, which leave nothing open. Throws what any part of it throws. */
export async function backUp(world: AgentWorld, answers: Answers): Promise<RunOutcome> {
  const wanted = answers.backup!;
  const place = parsePlace(wanted.to!);
  const settled = await waitingFor(
    world,
    {
      what: 'destination',
      seconds: answers.wait,
      codes: ['medium-not-found', 'target-not-found', 'disk-not-found'],
    },
    async () => {
      const survey = await surveyMedia(world.machine);
      const to = fileSystemAt(survey, await world.machine.disks(), place);
      const sources = await sourceCandidates(world, survey, to);
      return {
        to,
        sources,
        disks: wanted.disks!.map((rule, i) => findTarget(`backup.disks[${i}]`, rule, sources)),
      };
    },
  );
  tellDisks(world, settled.sources);
  return await imageOnto(world, {
    disks: settled.disks,
    to: settled.to,
    folder: place.path ?? '',
    manner: wanted,
  });
}

/** The machine's disks as sources: the boot medium and the destination are reserved. */
export async function sourceCandidates(
  { machine }: AgentWorld,
  survey: Survey,
  to: HostFileSystem,
): Promise<TargetDisk[]> {
  for (const found of survey.fileSystems) await machine.unmount(found);
  const candidates: TargetDisk[] = [];
  for (const disk of await machine.disks()) {
    candidates.push(await asTarget(disk, { bootDisk: survey.bootDisk, setDisks: new Set([to.disk]) }));
  }
  return candidates;
}

export interface Imaging {
  readonly disks: readonly TargetDisk[];
  readonly to: HostFileSystem;
  /** Below the top of the destination; made where it is missing. */
  readonly folder: string;
  readonly manner: Omit<BackupAnswers, 'disks' | 'to'>;
}

/** Images disks onto a mounted medium, with progress on every console. */
export async function imageOnto(world: AgentWorld, job: Imaging): Promise<RunOutcome> {
  const { console, machine, signal } = world;
  const { manner } = job;
  const top = await machine.mount(job.to, true);
  const opened: SourceDisk[] = [];
  try {
    const folder = join(top, job.folder);
    await mkdir(folder, { recursive: true });
    const partSize = typeof manner.partSize === 'string' ? parseSize(manner.partSize) : manner.partSize;
    const medium = openMedium(folder, partSize === undefined ? {} : { partSize });
    const began = machine.clock();
    try {
      for (const { identity } of job.disks) {
        await checkSource(identity.path, folder);
        opened.push({ device: await openDisk(identity.path), identity });
      }
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
        });
      } catch (error) {
        await stages.end('failed');
        throw error;
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
        place: folder,
        kept: sum('kept'),
        stored: sum('stored'),
        seconds: Math.round((machine.clock() - began) / 1000),
      });
      return { exceptions: unreadable.length };
    } finally {
      for (const { device } of opened) await device.close();
      await medium.close();
    }
  } finally {
    await machine.unmount(job.to);
  }
}
