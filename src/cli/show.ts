import type { SetReader } from '../archive/index.ts';
import { formatBytes, total } from '../bytes/index.ts';
import type { DiskLayout, Volume } from '../layout/layout.ts';
import type { Context, Verb } from './context.ts';
import { rememberPlace } from './known-places.ts';
import { addTapeOptions, placeText, type TapeOptions } from './place.ts';
import { withSet } from './sets.ts';
import { shown, table } from './table.ts';

export const showVerb: Verb = (program, act) => {
  addTapeOptions(
    program
      .command('show')
      .description('show what a backup set holds: disks, volumes, what was left out and why')
      .argument('<place>', placeText)
      .option('--set <name>', 'which set; the newest when absent'),
  ).action(act(show));
};

async function show(context: Context, place: string, options: TapeOptions & { set?: string }): Promise<void> {
  await withSet(context, { ...options, place, chain: 'leave' }, options.set, async (set) => {
    const { name: machine, createdAt } = set.head;
    await rememberPlace(context.world.environment, place, [{ name: set.name, machine, createdAt }], false);
    context.output.result(
      {
        verb: 'show',
        set: set.name,
        head: set.head,
        layout: set.layout,
        totals: set.totals,
        problems: set.problems.map(({ code, message }) => ({ code, message })),
      },
      description(set),
    );
  });
}

/** The set as a person reads it. */
function description(set: SetReader): string {
  const { head, layout, totals } = set;
  const { machine } = layout;
  const lines = [
    `set       ${set.name}  (${head.kind}, ${head.setId})`,
    `machine   ${shown([head.name, machine.vendor, machine.product, machine.serial].filter(Boolean).join(', '))}`,
    `firmware  ${machine.firmware ?? 'not known'}`,
    `made      ${head.createdAt} by ${shown(head.software)}`,
  ];
  if (head.chain.length > 0) lines.push(`needs     ${head.chain.map(({ name }) => shown(name)).join(', ')}`);
  if (head.note !== '') lines.push(`note      ${shown(head.note)}`);
  for (const disk of layout.disks) lines.push('', ...diskLines(set, disk));
  if (totals !== null) {
    lines.push('', `left out`);
    if (totals.leftOut.length === 0) lines.push('  nothing');
    for (const { volume, bytes, reason, detail } of totals.leftOut) {
      lines.push(
        `  ${formatBytes(bytes)} of ${nameOf(set, volume)}: ${reason}${detail === '' ? '' : ` (${shown(detail)})`}`,
      );
    }
    for (const { message } of totals.notices) lines.push(`note: ${shown(message)}`);
  }
  for (const { code, message } of set.problems) lines.push(`warning: ${code}: ${message}`);
  return `${lines.join('\n')}\n`;
}

function diskLines(set: SetReader, disk: DiskLayout): string[] {
  const { identity } = disk;
  const facts = [
    formatBytes(identity.size),
    `${identity.sectorSize}-byte sectors`,
    disk.table.kind === 'none' ? 'no partition table' : disk.table.kind.toUpperCase(),
    identity.model,
    identity.serial === null ? null : `serial ${identity.serial}`,
    identity.wwn === null ? null : `WWN ${identity.wwn}`,
  ].filter((fact) => fact !== null);
  const volumes = set.layout.volumes.filter(({ segments }) => segments[0]?.disk === disk.id);
  const rows = volumes.map((volume) => volumeRow(set, volume, disk));
  return [
    `${disk.id}  ${shown(facts.join(', '))}`,
    ...table(['volume', 'name', 'type', 'start', 'size', 'kept', 'on the medium', ''], rows)
      .trimEnd()
      .split('\n')
      .map((line) => `  ${line}`),
  ];
}

/** What stands where a volume has no file system. */
const kindNames = { boot: 'boot code', gap: 'gap', netware: 'netware', partition: '-', whole: '-' } as const;

function volumeRow(set: SetReader, volume: Volume, disk: DiskLayout): string[] {
  const totals = set.totals?.volumes.find((entry) => entry.volume === volume.id);
  const places = new Set(volume.segments.map(({ disk: id }) => id));
  const remarks = [
    volume.segments.length > 1 && volume.kind === 'netware'
      ? `${volume.segments.length} segments on ${[...places].join(', ')}`
      : null,
    totals?.wholeBecause ?? null,
    totals?.control === undefined || totals.control.by === 'none'
      ? null
      : `control set ${formatBytes(totals.control.bytes)} by ${totals.control.by}`,
    (totals?.unreadable.length ?? 0) > 0
      ? `${formatBytes(total(totals!.unreadable))} could not be read`
      : null,
  ].filter((remark) => remark !== null);
  const sectors = volume.segments.reduce((sum, { length }) => sum + length, 0);
  return [
    volume.id,
    shown(volume.name),
    volume.filesystem?.type ?? kindNames[volume.kind],
    String(volume.segments[0]!.start),
    formatBytes(sectors * disk.identity.sectorSize),
    totals === undefined ? '-' : formatBytes(totals.kept),
    totals === undefined ? '-' : formatBytes(totals.stored),
    shown(remarks.join('; ')),
  ];
}

function nameOf(set: SetReader, volume: string | null): string {
  if (volume === null) return 'the disks';
  return shown(set.layout.volumes.find(({ id }) => id === volume)?.name ?? volume);
}
