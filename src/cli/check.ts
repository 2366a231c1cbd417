import { formatBytes, total } from '../bytes/index.ts';
import { exitStatuses } from '../errors/index.ts';
import type { Finding, NetwareFileSystem } from '../filesystem/netware/index.ts';
import { freeSpares, type FoundPartition, type Netware } from '../layout/netware/index.ts';
import type { Context, Verb } from './context.ts';
import { openFound, refuseNone, withNetware } from './netware-source.ts';
import { shown } from './table.ts';

export const checkVerb: Verb = (program, act) => {
  program
    .command('check')
    .description('check NetWare disks as the server does at mount, and say what VREPAIR would do')
    .argument('<disk...>', 'disks or image files; all those a volume lies on')
    .addHelpText(
      'after',
      `
Reads hotfix areas, volume tables, both copies of FAT and directories, and every chain of blocks. Writes nothing.
Ends with 0 when the server would mount everything, with 7 when there are errors.

Examples:
  remetal check server.raw
  remetal check disk0.raw disk1.raw --json`,
    )
    .action(act(check));
};

/** A finding about a volume, or about what it lies on. */
interface Told extends Pick<Finding, 'severity' | 'message' | 'facts'> {
  readonly code: string;
  readonly repair: string | null;
}

interface CheckedVolume {
  readonly name: string;
  readonly blockSize: number;
  readonly blocks: number;
  readonly segments: number;
  /** Bytes in use, deleted files that can be salvaged left out; null where the map is not to be trusted. */
  readonly used: number | null;
  /** Bytes only deleted files hold; null likewise. */
  readonly deleted: number | null;
  readonly findings: readonly Told[];
}

async function check(context: Context, disks: readonly string[]): Promise<number> {
  return await withNetware(disks, async (netware) => {
    if (netware.refused.length === 0) refuseNone(netware, disks);
    const layout = layoutFindings(netware);
    const volumes: CheckedVolume[] = [];
    for (const found of netware.volumes) {
      context.signal.throwIfAborted();
      volumes.push(await checkedVolume(await openFound(netware, found)));
    }
    const findings = [...layout, ...volumes.flatMap((volume) => volume.findings)];
    const count = (severity: Told['severity']): number =>
      findings.filter((finding) => finding.severity === severity).length;
    const counts = { errors: count('error'), warnings: count('warning'), notes: count('note') };
    const partitions = netware.partitions.map(partitionFacts);
    context.output.result(
      { verb: 'check', disks, partitions, volumes, findings: layout, ...counts, sound: counts.errors === 0 },
      description(partitions, volumes, layout, counts),
    );
    return counts.errors === 0 ? exitStatuses.ok : exitStatuses.integrity;
  });
}

async function checkedVolume(filesystem: NetwareFileSystem): Promise<CheckedVolume> {
  const { definition, facts } = filesystem;
  const findings = await filesystem.check();
  const [kept, all] = [await filesystem.usedMap(), await filesystem.usedMap({ keepDeleted: true })];
  return {
    name: definition.name,
    blockSize: facts.blockSize,
    blocks: definition.blocks,
    segments: definition.segments.length,
    used: kept.trusted ? total(kept.used) : null,
    deleted: kept.trusted ? total(all.used) - total(kept.used) : null,
    findings,
  };
}

/** What the layout tells: refused partitions and broken volumes are errors, damaged copies warnings. */
function layoutFindings({ notices, refused, broken }: Netware): Told[] {
  const out: Told[] = refused.map(({ name, error }) => ({
    code: error.code,
    severity: 'error',
    message: `${name}: ${error.message}`,
    repair: null,
    facts: error.facts,
  }));
  for (const { name, reasons } of broken) {
    out.push({
      code: 'netware-segments',
      severity: 'error',
      message: `Volume ${name} cannot be put together: ${reasons.join('; ')}.`,
      repair: 'It cannot: the volume needs all its segments.',
      facts: { volume: name, reasons },
    });
  }
  const told = new Set(out.map(({ message }) => message));
  for (const { level, code, message, facts = {} } of notices) {
    if (code === 'netware-not-netware' || told.has(message)) continue;
    const severity = level === 'warning' ? 'warning' : 'note';
    const repair =
      code === 'netware-copy-damaged' ? 'Nothing; the server writes the copy again when it mounts.' : null;
    out.push({ code, severity, message, repair, facts });
  }
  return out;
}

interface PartitionFacts {
  readonly name: string;
  readonly sectors: number;
  readonly hotfixUnits: number;
  readonly moved: number;
  readonly spares: number;
}

function partitionFacts({ name, length, partition }: FoundPartition): PartitionFacts {
  const { redirections, hotfix } = partition;
  return {
    name,
    sectors: length,
    hotfixUnits: redirections.units,
    moved: redirections.moved.length,
    spares: freeSpares(redirections, hotfix).length,
  };
}

function description(
  partitions: readonly PartitionFacts[],
  volumes: readonly CheckedVolume[],
  layout: readonly Told[],
  counts: { readonly errors: number; readonly warnings: number },
): string {
  const lines: string[] = [];
  for (const { name, sectors, moved, spares } of partitions) {
    lines.push(
      `${name}  ${formatBytes(sectors * 512)}, hotfix area: ${counted(moved, 'unit')} in use, ${spares} free`,
    );
  }
  lines.push(...layout.flatMap(findingLines));
  for (const volume of volumes) lines.push('', volumeLine(volume), ...volume.findings.flatMap(findingLines));
  const { errors, warnings } = counts;
  lines.push(
    '',
    errors + warnings === 0 ? 'sound' : `${counted(errors, 'error')}, ${counted(warnings, 'warning')}`,
  );
  return `${lines.map(shown).join('\n')}\n`;
}

function volumeLine({ name, blockSize, blocks, segments, used, deleted }: CheckedVolume): string {
  const words = [
    `${counted(blocks, 'block')} of ${formatBytes(blockSize)}`,
    counted(segments, 'segment'),
    used === null ? 'how much is in use cannot be told' : `${formatBytes(used)} in use`,
    deleted === null || deleted === 0 ? null : `${formatBytes(deleted)} in deleted files`,
  ];
  return `volume ${name}  ${words.filter((word) => word !== null).join(', ')}`;
}

function findingLines({ severity, code, message, repair }: Told): string[] {
  const line = `  ${severity}: ${message} (${code})`;
  return severity === 'note' || repair === null ? [line] : [line, `    VREPAIR: ${repair}`];
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;
