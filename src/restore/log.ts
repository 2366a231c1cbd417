import { appendFile, lstat, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Notice, Reporter } from '../progress/index.ts';
import { setTimes } from '../system/index.ts';
import { withMount, type VolumePlace } from './mounting.ts';
import type { RestoreReport } from './request.ts';

/** Where the log lies in a restored system. */
const logFolder = ['var', 'log', 'remetal'];

/** A reporter that passes everything on and keeps the notices as dated lines for the log. */
export interface LoggingReporter extends Reporter {
  readonly lines: readonly string[];
}

export function logging(reporter: Reporter, now: () => Date = () => new Date()): LoggingReporter {
  const lines: string[] = [];
  return {
    lines,
    progress: (progress) => reporter.progress(progress),
    notice(notice) {
      lines.push(noticeLine(notice, now()));
      reporter.notice(notice);
    },
  };
}

function noticeLine(notice: Notice, time: Date): string {
  return `${time.toISOString()} ${notice.level} ${notice.code}: ${notice.message}`;
}

export interface LogFacts {
  readonly startedAt: Date;
  readonly finishedAt: Date;
  /** What a person calls the set, and its id. */
  readonly set: string;
  readonly setId: string;
  readonly lines: readonly string[];
  /** Null when the restore did not finish; then `failure` says why. */
  readonly report: RestoreReport | null;
  readonly failure: string | null;
}

/** The name of a log: it sorts by time and has no character a file system minds. */
export function logName(startedAt: Date): string {
  return `${startedAt.toISOString().replaceAll(/[-:]|\.\d+/g, '')}-restore.log`;
}

/** The log as text: what was restored, what was said on the way, how it ended. */
export function logText(facts: LogFacts): string {
  const { report } = facts;
  const out = [
    `Remetal restore of ${facts.set} (${facts.setId})`,
    `started ${facts.startedAt.toISOString()}`,
    ...facts.lines,
  ];
  if (report !== null) {
    const { readBack } = report;
    const writing = report.seconds - (readBack?.seconds ?? 0);
    out.push(`plan ${report.planHash}`, `written ${rateText(report.writtenBytes, writing)}`);
    if (readBack !== null) out.push(`read back ${rateText(readBack.bytes, readBack.seconds)}`);
    out.push(report.verified ? 'read back and compared: equal' : 'not read back whole');
    if (report.resumedAt !== null) out.push(`went on at step ${report.resumedAt} of an interrupted restore`);
    for (const damage of report.damage) {
      const bytes = damage.extents.reduce((sum, extent) => sum + extent.length, 0);
      out.push(`damaged: ${damage.volume}, ${bytes} bytes are zeros: ${damage.reason}`);
      for (const { start, length } of damage.extents) out.push(`  bytes ${start} to ${start + length - 1}`);
      for (const file of damage.files) out.push(`  ${file.path ?? `inode ${file.inode}`} (${file.part})`);
    }
  }
  if (facts.failure !== null) out.push(`failed: ${facts.failure}`);
  out.push(`finished ${facts.finishedAt.toISOString()}`, '');
  return out.join('\n');
}

function rateText(bytes: number, seconds: number): string {
  const rate = seconds > 0 ? ` (${(bytes / seconds / 1e6).toFixed(0)} MB/s)` : '';
  return `${bytes} bytes in ${seconds.toFixed(1)} s${rate}`;
}

/** A restored volume that might hold the folder for logs. */
export interface LogCandidate {
  readonly place: VolumePlace;
  /** File system type as the layout has it. */
  readonly type: string;
}

/**
 * Writes a log to `/var/log/remetal` of the restored system and gives back its path there, or null
 * where no volume has both /etc/fstab and /var/log. Only ext and XFS are looked at. Nothing else of
 * the tree changes: the times of the folders above are put back. Needs root.
 */
export async function logIntoSystem(
  candidates: readonly LogCandidate[],
  name: string,
  text: string,
): Promise<string | null> {
  for (const { place, type } of candidates) {
    if (!['ext2', 'ext3', 'ext4', 'xfs'].includes(type)) continue;
    const xfs = type === 'xfs';
    const looking = ['ro', ...(xfs ? ['nouuid', 'norecovery'] : type === 'ext2' ? [] : ['noload'])];
    if (!(await withMount(place, looking, isSystem))) continue;
    await withMount(place, xfs ? ['nouuid'] : [], (root) => writeInto(root, name, text));
    return `/${[...logFolder, name].join('/')}`;
  }
  return null;
}

/** No link is followed: one in a restored tree may well lead out of it. */
async function isPlain(path: string, kind: 'folder' | 'file'): Promise<boolean> {
  const facts = await lstat(path).catch(() => null);
  return facts !== null && (kind === 'folder' ? facts.isDirectory() : facts.isFile());
}

async function isSystem(root: string): Promise<boolean> {
  return (
    (await isPlain(join(root, 'etc'), 'folder')) &&
    (await isPlain(join(root, 'etc/fstab'), 'file')) &&
    (await isPlain(join(root, 'var'), 'folder')) &&
    (await isPlain(join(root, 'var/log'), 'folder'))
  );
}

async function writeInto(root: string, name: string, text: string): Promise<void> {
  const above = join(root, 'var/log');
  const before = await lstat(above, { bigint: true });
  const folder = join(root, ...logFolder);
  await mkdir(folder, { mode: 0o755 }).catch(() => undefined);
  if (!(await isPlain(folder, 'folder'))) return;
  await writeFile(join(folder, name), text, { mode: 0o640, flag: 'wx' });
  setTimes(above, before.atimeNs, before.mtimeNs);
}

/** Writes a log into a folder, the one the set lies in; gives back its path. */
export async function logBeside(folder: string, set: string, name: string, text: string): Promise<string> {
  const path = join(folder, `${set}.${name}`);
  await appendFile(path, text, { mode: 0o640 });
  return path;
}
