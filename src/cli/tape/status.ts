import { formatBytes } from '../../bytes/index.ts';
import { isCoded } from '../../errors/index.ts';
import {
  drivesAndChangers,
  reportDrive,
  type CartridgeContents,
  type Changer,
  type ChangerStatus,
  type DriveReport,
  type OpenedDrive,
} from '../../tape/index.ts';
import type { Context, Verb } from '../context.ts';
import { outcomeAsJson, outcomeOf } from '../outcome.ts';
import { shown, table } from '../table.ts';
import { addDriveArgument, note, withDrive } from './drive-argument.ts';

export const statusVerb: Verb = (group, act) => {
  addDriveArgument(
    group
      .command('status')
      .description(
        'drives, the cartridges in them and what these hold, changers; all of them without a drive',
      ),
  )
    .addHelpText(
      'after',
      `
Rewinds the cartridges it reads. Examples:
  remetal tape status
  remetal tape status /dev/tape/by-id/scsi-HU1234-nst`,
    )
    .action(act(status));
};

interface DriveStatus extends DriveReport {
  readonly name: string;
}

interface ChangerReport {
  readonly name: string;
  readonly status: ChangerStatus | null;
  readonly problem: string | null;
}

async function status(context: Context, named: string | undefined): Promise<void> {
  const drives: DriveStatus[] = [];
  const changers: Changer[] = [];
  const look = async (opened: OpenedDrive): Promise<void> => {
    const report = await reportDrive(opened.drive, () => note(context, opened));
    if (named !== undefined && report.look === null && report.problem !== null) throw report.problem;
    drives.push({ name: opened.drive.name, ...report });
    if (named !== undefined && opened.changer !== null) changers.push(opened.changer.changer);
  };
  if (named === undefined) {
    const found = await drivesAndChangers(context.signal);
    for (const address of found.drives) await withDrive(context, address, look);
    changers.push(...found.changers);
  } else {
    await withDrive(context, named, look);
  }
  const reports = await Promise.all(changers.map(reportChanger));
  const lines = [...drives.map(driveText), ...reports.map(changerText)];
  context.output.result(
    {
      verb: 'tape status',
      drives: drives.map(({ problem, ...rest }) => ({
        ...rest,
        problem: problem === null ? null : outcomeAsJson(outcomeOf(problem)),
      })),
      changers: reports,
    },
    lines.length === 0
      ? 'no tape drive and no changer; the drivers st and sg have to be loaded\n'
      : lines.join('\n'),
  );
}

async function reportChanger(changer: Changer): Promise<ChangerReport> {
  try {
    return { name: changer.name, status: await changer.status(), problem: null };
  } catch (error) {
    if (!isCoded(error)) throw error;
    return { name: changer.name, status: null, problem: error.message };
  }
}

/** Why a drive is not ready, as a person says it. */
const states = {
  loading: 'is taking its cartridge in',
  unloaded: 'has a cartridge that is not loaded',
  empty: 'empty',
  cleaning: 'has a cleaning cartridge',
  foreign: 'has a cartridge it cannot use',
  other: 'not ready; look at the drive itself',
} as const;

function driveText({ name, look, memory, alerts, contents, problem }: DriveStatus): string {
  const model = [look?.vendor, look?.model].filter((text) => text !== null && text !== undefined).join(' ');
  const serial = look?.serial === null || look === null ? '' : `, serial ${look.serial}`;
  const lines = [`${name}  ${shown(model + serial)}`];
  const say = (key: string, text: string): void => void lines.push(`  ${key.padEnd(12)}${text}`);
  if (look !== null && look.unready !== null) say('state', states[look.unready]);
  const longest = look?.blockLimits?.longest;
  if (longest !== null && longest !== undefined) say('blocks', `up to ${formatBytes(longest)}`);
  if (contents !== null) say('cartridge', cartridgeText(contents));
  const barcode = contents?.label?.barcode ?? memory?.barcode ?? null;
  if (barcode !== null) say('barcode', shown(barcode));
  if (look?.writeProtected === true) say('protected', 'the tab is set: nothing can be written');
  if (memory?.kind === 'write-once') say('kind', 'can be written only once');
  const size = memory?.capacity ?? look?.density?.capacity ?? null;
  if (look?.density !== null && look?.density !== undefined) say('format', look.density.name);
  if (memory !== null && memory.remaining !== null) {
    say('room', `${formatBytes(memory.remaining)}${size === null ? '' : ` of ${formatBytes(size)}`}`);
  }
  if (problem !== null) say('problem', shown(problem.message));
  for (const { severity, words } of alerts) say('alert', `${severity}: ${words}`);
  return `${lines.join('\n')}\n${partsText(contents)}`;
}

function cartridgeText({ label, blank, foreign, full }: CartridgeContents): string {
  if (blank) return 'blank';
  if (label === null) return `holds ${foreign ?? 'unknown data'}`;
  const behind = foreign === null ? '' : `; holds ${foreign} too`;
  return `${shown(label.name)}${full ? ', full' : ''}${behind}`;
}

const endings = { set: 'complete', part: 'goes on elsewhere', open: 'interrupted' } as const;

function partsText(contents: CartridgeContents | null): string {
  if (contents === null || contents.parts.length === 0) return '';
  const rows = contents.parts.map(({ file, set, part, machine, createdAt, ends }) => [
    String(file),
    shown(set),
    String(part),
    shown(machine),
    shown(createdAt),
    endings[ends],
  ]);
  return table(['file', 'set', 'part', 'machine', 'made', 'state'], rows)
    .split('\n')
    .map((line) => (line === '' ? '' : `  ${line}`))
    .join('\n');
}

function changerText({ name, status: found, problem }: ChangerReport): string {
  if (found === null) return `${name}  changer\n  ${'problem'.padEnd(12)}${shown(problem ?? '')}\n`;
  const full = found.slots.filter((slot) => slot.full);
  const lines = [
    `${name}  changer, ${full.length} of ${found.slots.length} slots full`,
    ...found.drives.map(
      (drive) => `  drive ${drive.number}: ${drive.full ? shown(drive.barcode ?? 'no barcode') : '-'}`,
    ),
    ...full.map(
      (slot) =>
        `  ${slot.importExport ? 'import/export' : 'slot'} ${slot.number}: ${shown(slot.barcode ?? 'no barcode')}`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}
