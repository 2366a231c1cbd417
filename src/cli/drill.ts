import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import { buildAppliance } from '../appliance/index.ts';
import { formatBytes, formatDuration } from '../bytes/index.ts';
import {
  controllers,
  drillImage,
  drillRestore,
  keepProof,
  parseProbe,
  setFiles,
  usableAccelerator,
  type Accelerator,
  type Controller,
  type DrillFirmware,
  type DrillOutcome,
  type DrillProof,
  type DrillRequest,
  type Probe,
} from '../drill/index.ts';
import { isCoded, RemetalError } from '../errors/index.ts';
import { stateFolder } from '../system/index.ts';
import { setAddressHelp, withAddressedSet, type AddressedSet } from './address.ts';
import { collect, integerOption, sizeOption, usage, type Context, type Verb } from './context.ts';
import { addSetOptions, type SetOptions } from './place.ts';
import { version } from './version.ts';

const minute = 60;
const gibibyte = 1024 ** 3;

export const drillVerb: Verb = (program, act) => {
  addSetOptions(
    program
      .command('drill')
      .description('start the machine of a set in a virtual one and say whether it came up')
      .argument('<address...>', '[PLACE] SET: a set')
      .option(
        '--expect <regex>',
        'what the machine says when it is up; a login prompt when absent',
        regexOption,
      )
      .option(
        '--probe <service>',
        'what answers when it is up: tcp:22, http:80, tcp:192.0.2.10:22',
        probeOption,
      )
      .addOption(
        new Option('--firmware <which>', 'what it starts by; as the set says when absent').choices([
          'bios',
          'uefi',
        ]),
      )
      .option('--memory <size>', 'its memory', sizeOption, gibibyte)
      .option('--cpus <count>', 'its processors', integerOption(1, 64), 2)
      .option('--timeout <seconds>', 'how long it may take to come up', integerOption(1, 86_400), 10 * minute)
      .option('--disk <id>', 'only this disk of the set (disk1); may be given again', collect)
      .addOption(
        new Option('--controller <kind>', 'what its disks hang on; as it was when absent').choices(
          controllers,
        ),
      )
      .addOption(
        new Option(
          '--accelerator <kind>',
          'kvm, or tcg to emulate; kvm where a machine starts by it when absent',
        ).choices(['kvm', 'tcg']),
      )
      .option('--overlay <size>', 'most it may write, all of which is thrown away', sizeOption, 16 * gibibyte)
      .option('--scratch <folder>', 'where what it writes goes when memory is full, and restored disks')
      .option('--restore', 'the whole way: the appliance restores onto blank disks, then those are started')
      .option('--appliance <iso>', 'the appliance for --restore; built when absent')
      .option(
        '--restore-timeout <seconds>',
        'how long the appliance may take',
        integerOption(1, 7 * 86_400),
        120 * minute,
      ),
  )
    .addHelpText(
      'after',
      `${setAddressHelp}

The set is only read; what the machine writes is thrown away. It has no network, but for the one port of --probe.
Exit status 0: it came up. The proof is kept beside the set and shown by \`remetal list\`.

Examples:
  remetal drill web1
  remetal drill /mnt/usbdisk/web1 web1 --probe tcp:22 --memory 4G
  remetal drill sets web1 --expect 'database ready' --firmware uefi
  remetal drill sets web1 --restore --appliance remetal.iso`,
    )
    .action(act(drill));
};

interface DrillOptions extends SetOptions {
  readonly expect?: RegExp;
  readonly probe?: { readonly probe: Probe; readonly text: string };
  readonly firmware?: DrillFirmware;
  readonly memory: number;
  readonly cpus: number;
  readonly timeout: number;
  readonly disk?: readonly string[];
  readonly controller?: Controller;
  readonly accelerator?: Accelerator;
  readonly overlay: number;
  readonly scratch?: string;
  readonly restore?: boolean;
  readonly appliance?: string;
  readonly restoreTimeout: number;
}

function regexOption(text: string): RegExp {
  try {
    return new RegExp(text, 'm');
  } catch {
    throw new InvalidArgumentError('It is no regular expression.');
  }
}

function probeOption(text: string): { probe: Probe; text: string } {
  try {
    return { probe: parseProbe(text), text };
  } catch (error) {
    if (isCoded(error)) throw new InvalidArgumentError(`${error.message}. ${error.hint ?? ''}`);
    throw error;
  }
}

async function drill(context: Context, words: readonly string[], options: DrillOptions): Promise<void> {
  if (options.expect !== undefined && options.probe !== undefined) {
    usage('A machine is up by --expect or by --probe, not by both.');
  }
  if (options.appliance !== undefined && options.restore !== true) {
    usage('--appliance is for --restore.', 'Add --restore, or leave it out.');
  }
  await withAddressedSet(context, words, options, async (at) => {
    if (at.volume !== null || at.rest.length > 0) {
      usage('A drill is one of a whole set.', 'Name the set alone; --disk leaves out disks.');
    }
    const accelerator = options.accelerator ?? (await acceleratorHere(context));
    const request: DrillRequest = {
      reader: at.reader,
      firmware: options.firmware ?? null,
      controller: options.controller ?? null,
      accelerator,
      memoryBytes: options.memory,
      cpus: options.cpus,
      expect: options.expect ?? null,
      probe: options.probe?.probe ?? null,
      seconds: options.timeout,
      signal: context.signal,
      tell: (notice) => context.tell(notice),
      ...(options.disk === undefined ? {} : { disks: options.disk }),
      ...(options.scratch === undefined ? {} : { scratch: options.scratch }),
    };
    const began = new Date();
    context.output.remark(`Starting ${at.reader.head.name} from ${at.reader.name} (${accelerator}).`);
    const outcome = await carriedOut(context, at, request, options);
    const { proof, folder } = await kept(context, at, outcome, { began, request, options });
    tellOutcome(context, proof, folder);
  });
}

async function acceleratorHere(context: Context): Promise<Accelerator> {
  const { accelerator, because } = await usableAccelerator(context.signal);
  if (because !== null) context.tell({ level: 'warning', code: 'kvm-unusable', message: because });
  return accelerator;
}

async function carriedOut(
  context: Context,
  { reader, medium, place }: AddressedSet,
  request: DrillRequest,
  options: DrillOptions,
): Promise<DrillOutcome> {
  if (options.restore !== true) {
    // On a tape the control sets are read in one pass, before the machine asks here and there.
    const preload = medium.movements !== undefined;
    return await drillImage({ ...request, overlayBytes: options.overlay, preload });
  }
  const files = await setFiles([place, ...(options.chainAt ?? [])], reader);
  return await withAppliance(context, options, (appliance) =>
    drillRestore({ ...request, files, appliance, restoreSeconds: options.restoreTimeout }),
  );
}

async function withAppliance<T>(
  context: Context,
  { appliance, scratch }: DrillOptions,
  work: (iso: string) => Promise<T>,
): Promise<T> {
  if (appliance !== undefined) {
    if ((await stat(appliance).catch(() => null))?.isFile() === true) return await work(appliance);
    return usage(`${appliance} is no file.`, 'Build the appliance with `remetal build`.');
  }
  const folder = await mkdtemp(join(scratch ?? tmpdir(), 'remetal-appliance-'));
  try {
    const output = join(folder, 'remetal.iso');
    context.output.remark('Building the appliance.');
    await buildAppliance({ output, compression: 'quick', netboot: false });
    return await work(output);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function kept(
  context: Context,
  { reader, place }: AddressedSet,
  outcome: DrillOutcome,
  about: { readonly began: Date; readonly request: DrillRequest; readonly options: DrillOptions },
): Promise<{ proof: Omit<DrillProof, 'files'>; folder: string }> {
  const { began, request, options } = about;
  const proof: Omit<DrillProof, 'files'> = {
    version: 1,
    set: reader.name,
    setId: reader.head.setId,
    machine: reader.head.name,
    how: options.restore === true ? 'restore' : 'image',
    at: began.toISOString(),
    verdict: outcome.verdict,
    seen: outcome.seen,
    failure: outcome.failure,
    seconds: Math.round(outcome.seconds * 10) / 10,
    restoreSeconds: outcome.restoreSeconds === null ? null : Math.round(outcome.restoreSeconds * 10) / 10,
    firmware: outcome.firmware,
    accelerator: request.accelerator,
    memoryBytes: request.memoryBytes,
    expected: options.probe?.text ?? options.expect?.source ?? 'login',
    writtenBytes: outcome.writtenBytes,
    software: `remetal ${version}`,
  };
  const files = new Map<string, string | Uint8Array>([['serial.log', outcome.serial]]);
  if (outcome.screen !== null) files.set('screen.txt', `${outcome.screen}\n`);
  if (outcome.screenshot !== null) files.set('screen.png', outcome.screenshot);
  const folder = await keepProof(place, proof, files, stateFolder(context.world.environment));
  return { proof, folder };
}

function tellOutcome(context: Context, proof: Omit<DrillProof, 'files'>, folder: string): void {
  const { seen, failure, verdict, restoreSeconds, seconds, firmware, writtenBytes } = proof;
  if (verdict === 'failed') {
    throw new RemetalError('drill-failed', failure?.reason ?? 'The machine did not come up.', {
      hint: `The proof is in ${folder}.`,
      facts: { set: proof.set, reason: failure?.code ?? null, proof: folder, seconds },
    });
  }
  const lines = [
    `${proof.set}: came up after ${formatDuration(Math.round(seconds))} (${firmware}): ${seen ?? ''}`,
    ...(restoreSeconds === null
      ? []
      : [`restored by the appliance in ${formatDuration(Math.round(restoreSeconds))}`]),
    ...(writtenBytes === null ? [] : [`${formatBytes(writtenBytes)} written by it are thrown away`]),
    `proof: ${folder}`,
  ];
  context.output.result({ verb: 'drill', ...proof, proof: folder }, `${lines.join('\n')}\n`);
}
