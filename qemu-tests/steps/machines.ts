import { join } from 'node:path';
import {
  blankDisk,
  makeMedium,
  withMachine,
  type Controller,
  type Drive,
  type Firmware,
  type Machine,
  type TapeUnit,
} from '../harness/index.ts';
import { readToken, readUp, type UpReport } from '../server/index.ts';
import { agentLines, nextAgentLine } from './agent-lines.ts';
import { must, type Rig } from './rig.ts';
import { tokenDifference } from './difference.ts';

/** Label of the medium the sets of the scenarios lie on. */
export const mediumLabel = 'SETS';

/** Size of the new machine's disk: larger than the original's. */
export const newDiskBytes = 5 * 2 ** 30;

/** A new, empty disk. */
export function newDisk(rig: Rig, name = 'new.raw', bytes = newDiskBytes): string {
  const file = join(rig.scratch, name);
  blankDisk(file, bytes);
  return file;
}

/** A USB disk that holds `content`, or nothing. */
export async function usbMedium(rig: Rig, filesystem: 'ext4' | 'fat', content?: string): Promise<Drive> {
  const file = join(rig.scratch, `medium-${filesystem}.raw`);
  await makeMedium({
    file,
    bytes: 2 * 2 ** 30,
    filesystem,
    label: mediumLabel,
    ...(content === undefined ? {} : { content }),
  });
  return { file, format: 'raw', controller: 'usb', serial: 'USB-SETS' };
}

/** The appliance's image as the medium the machine starts from. */
export function bootMedium(iso: string, as: 'cd' | 'usb'): Drive {
  return {
    file: iso,
    format: 'raw',
    controller: as,
    boot: 0,
    ...(as === 'usb' ? { serial: 'STICK', discardWrites: true } : {}),
  };
}

export interface ApplianceRun {
  readonly name: string;
  readonly iso: string;
  readonly from: 'cd' | 'usb';
  readonly firmware: Firmware;
  readonly drives: readonly Drive[];
  readonly tape?: readonly TapeUnit[];
  readonly seconds: number;
  readonly assetTag?: string;
  /** A reset goes on in the same machine. */
  readonly reboots?: boolean;
  /** What a person does before the agent runs: the boot menu. */
  readonly before?: (machine: Machine) => Promise<void>;
}

/** Starts a machine from the appliance, waits for the agent's first line and does `work`. */
export async function withAppliance<T>(
  rig: Rig,
  run: ApplianceRun,
  work: (machine: Machine) => Promise<T>,
): Promise<T> {
  rig.tell(`starting the appliance (${run.name})`);
  return await withMachine(
    {
      name: run.name,
      logs: rig.logs,
      scratch: join(rig.scratch, run.firmware),
      firmware: run.firmware,
      drives: [bootMedium(run.iso, run.from), ...run.drives],
      seconds: run.seconds,
      ...(run.tape === undefined ? {} : { tape: run.tape }),
      ...(run.assetTag === undefined ? {} : { assetTag: run.assetTag }),
      ...(run.reboots === undefined ? {} : { reboots: run.reboots }),
    },
    async (machine) => {
      await run.before?.(machine);
      const agent = await nextAgentLine(machine, 'agent', 240);
      rig.tell(`the agent runs after ${machine.console.seconds.toFixed(0)} s`);
      must(
        agent['firmware'] === (run.firmware === 'bios' ? 'bios' : 'uefi'),
        `The agent takes the firmware for ${agent['firmware']}.`,
      );
      must(
        run.firmware !== 'secure-boot' || agent['secure-boot'] === 'on',
        `The agent says Secure Boot is ${agent['secure-boot']}.`,
      );
      return await work(machine);
    },
  );
}

/** Waits until the agent has finished, and holds it to a status. */
export async function agentFinished(machine: Machine, status: number, seconds: number): Promise<void> {
  const { status: said } = await nextAgentLine(machine, 'finished', seconds);
  if (said === String(status)) return;
  const errors = agentLines(machine).filter(({ word }) => word === 'error');
  throw new Error(`The agent finished with ${said} instead of ${status}: ${JSON.stringify(errors)}`);
}

/** The controller of the new machine's disk in the scenarios that do not say otherwise. */
export function targetDrive(file: string, controller: Controller, boot = 1): Drive {
  return { file, format: 'raw', controller, serial: 'NEW-DISK', boot };
}

/** Holds a machine that starts from a restored disk to what the original said, and to being up. */
export async function proveRestored(
  rig: Rig,
  machine: Machine,
  expected: { readonly grown: boolean },
): Promise<UpReport> {
  const report = await readToken(machine, 300);
  rig.tell(`the restored server says its token after ${machine.console.seconds.toFixed(0)} s`);
  if (report.token !== rig.original.token.token) {
    throw new Error(`The token differs from the original's: ${tokenDifference(rig.original.token, report)}`);
  }
  const up = await readUp(machine, 300);
  rig.tell(`it is up after ${machine.console.seconds.toFixed(0)} s: ${JSON.stringify(up)}`);
  must(up['failed'] === '-', `Units of the restored server failed: ${up['failed']}.`);
  must(up['swap'] !== '-', 'The restored server has no swap.');
  const size = Number(up['size']);
  const before = rig.original.token.rootBytes;
  if (expected.grown) must(size > before + 1e9, `The root has ${size} bytes, ${before} before: not grown.`);
  else must(size === before, `The root has ${size} bytes, ${before} before.`);
  await machine.screenshot('up');
  return up;
}

/** Starts a machine from its restored disk alone and holds it to what the original said. */
export async function startRestored(
  rig: Rig,
  options: { readonly drive: Drive; readonly firmware: Firmware; readonly grown: boolean },
): Promise<UpReport> {
  rig.tell('starting the restored server');
  return await withMachine(
    {
      name: 'restored-server',
      logs: rig.logs,
      scratch: join(rig.scratch, options.firmware),
      firmware: options.firmware,
      drives: [options.drive],
      assetTag: 'token+boot+off',
      seconds: 500,
    },
    async (machine) => {
      const up = await proveRestored(rig, machine, options);
      await machine.stopped(90);
      return up;
    },
  );
}
