import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RemetalError } from '../errors/index.ts';
import { drillAnswers, makeSetDisc, targetSerial, unattendedAppliance } from './appliance-disc.ts';
import type { MachineDisk } from './hardware.ts';
import { drillFirmware, machineDisk, type DrillOutcome, type DrillRequest } from './request.ts';
import { watchMachine, type Watched } from './watch.ts';

export interface RestoreDrillRequest extends DrillRequest {
  /** Files of the set and of its chain. */
  readonly files: readonly string[];
  /** The image of the appliance. */
  readonly appliance: string;
  /** Most seconds the appliance may take. */
  readonly restoreSeconds: number;
}

/** The least memory the appliance runs in with comfort, bytes. */
const applianceMemory = 2 * 1024 ** 3;
const secondsToEnd = 60;
const finished = /^REMETAL: finished .*$/m;

/**
 * The whole way: the appliance restores the set, unattended, onto blank disks of the old sizes; then a machine is
 * started from those and watched. Where the restore fails, that is the outcome.
 *
 * @throws `usage`, also for an image that is no appliance, `program-missing`, `program-failed`, `interrupted`
 */
export async function drillRestore(request: RestoreDrillRequest): Promise<DrillOutcome> {
  const { reader, signal } = request;
  if (request.disks !== undefined) {
    throw new RemetalError('usage', 'A drill with a restore is one of all disks', {
      hint: 'Leave out --disk, or --restore.',
    });
  }
  const folder = await mkdtemp(join(request.scratch ?? tmpdir(), 'remetal-drill-'));
  const sockets = await mkdtemp(join(tmpdir(), 'remetal-drill-'));
  try {
    const appliance = await unattendedAppliance(request.appliance, folder, signal);
    const disc = await makeSetDisc({ files: request.files, answers: drillAnswers(reader), folder }, signal);
    const disks: MachineDisk[] = [];
    for (const { id, identity } of reader.layout.disks) {
      const path = join(folder, `${id}.raw`);
      await blank(path, identity.size);
      disks.push({
        ...machineDisk(request, id, { kind: 'file', path }),
        serial: targetSerial(id),
        wwn: null,
      });
    }
    const firmware = drillFirmware(request);
    const common = {
      folder: sockets,
      ...(signal === undefined ? {} : { signal }),
    };
    const hardware = { firmware, accelerator: request.accelerator, cpus: request.cpus };
    request.tell({ level: 'info', code: 'drill-restoring', message: 'The appliance restores the set.' });
    const restored = await watchMachine({
      ...common,
      hardware: {
        ...hardware,
        memoryBytes: Math.max(request.memoryBytes, applianceMemory),
        disks: [appliance, disc].map(cd).concat(disks),
      },
      expect: finished,
      probe: null,
      seconds: request.restoreSeconds,
      secondsToEnd,
    });
    const refused = whyNotRestored(restored);
    const restoreSeconds = restored.seconds;
    if (refused !== null) {
      const failure = { code: 'restore-failed' as const, reason: refused };
      return {
        ...restored,
        verdict: 'failed',
        seen: null,
        failure,
        firmware,
        writtenBytes: null,
        restoreSeconds,
      };
    }
    request.tell({ level: 'info', code: 'drill-starting', message: 'The restored machine is started.' });
    const watched = await watchMachine({
      ...common,
      hardware: { ...hardware, memoryBytes: request.memoryBytes, disks },
      expect: request.expect,
      probe: request.probe,
      seconds: request.seconds,
    });
    const serial = `${restored.serial}\n==== the restored machine ====\n${watched.serial}`;
    return { ...watched, serial, firmware, writtenBytes: null, restoreSeconds };
  } finally {
    await rm(sockets, { recursive: true, force: true });
    await rm(folder, { recursive: true, force: true });
  }
}

function cd(path: string): MachineDisk {
  return { source: { kind: 'file', path }, controller: 'cd', sectorSize: 2048 };
}

async function blank(path: string, size: number): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.truncate(size);
  } finally {
    await file.close();
  }
}

/** Why the appliance has not restored, in its own words where it had any; null where it has. */
export function whyNotRestored({ verdict, seen, failure, serial }: Watched): string | null {
  if (verdict === 'passed' && /\bstatus=0\b/.test(seen ?? '')) return null;
  const said = [...serial.matchAll(/^REMETAL: error .*?message=("(?:[^"\\]|\\.)*"|\S+)/gm)].at(-1)?.[1];
  if (said !== undefined) return `The appliance did not restore the set: ${said.replaceAll(/^"|"$/g, '')}`;
  return failure === null ? `The appliance ended with "${seen ?? ''}".` : failure.reason;
}
