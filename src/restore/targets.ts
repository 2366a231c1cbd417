import { parseSize } from '../bytes/index.ts';
import type { DiskIdentity } from '../disk/identity.ts';
import { RemetalError } from '../errors/index.ts';
import type { DiskLayout } from '../layout/index.ts';
import type { PlanTarget } from './plan-document.ts';
import type { TargetDisk } from './request.ts';
import type { TargetRule, Wishes } from './wishes.ts';

/** Serial numbers come padded from some controllers; only their case and inner letters count. */
function sameText(a: string, b: string | null): boolean {
  return b !== null && plain(a) === plain(b) && plain(a) !== '';
}

function plain(text: string): string {
  return text.trim().replaceAll(/\s+/g, ' ').toLowerCase();
}

/** A world-wide name without the prefixes that sysfs, udev and smartctl put before it. */
function plainWwn(text: string): string {
  return plain(text)
    .replace(/^(wwn-)?(0x|naa\.|eui\.|nvme-eui\.)/, '')
    .replaceAll(/[\s:]/g, '');
}

function sameWwn(a: string, b: string | null): boolean {
  return b !== null && plainWwn(a) === plainWwn(b) && plainWwn(a) !== '';
}

function bytesOf(size: number | string): number {
  return typeof size === 'number' ? size : parseSize(size);
}

/** True when every field of a rule but `only` holds for a disk. */
export function matchesRule(rule: TargetRule, disk: TargetDisk): boolean {
  const { identity } = disk;
  return (
    (rule.serial === undefined || sameText(rule.serial, identity.serial)) &&
    (rule.wwn === undefined || sameWwn(rule.wwn, identity.wwn)) &&
    (rule.path === undefined || rule.path === identity.path || disk.paths.includes(rule.path)) &&
    (rule.model === undefined || sameText(rule.model, identity.model)) &&
    (rule.transport === undefined || sameText(rule.transport, identity.transport)) &&
    (rule.minSize === undefined || identity.size >= bytesOf(rule.minSize)) &&
    (rule.maxSize === undefined || identity.size <= bytesOf(rule.maxSize))
  );
}

/** A disk in one line, for messages. */
export function describeDisk({ identity }: TargetDisk): string {
  const facts = [
    identity.model,
    identity.serial === null ? null : `serial ${identity.serial}`,
    identity.wwn === null ? null : `WWN ${identity.wwn}`,
    `${identity.size} bytes`,
    identity.transport,
  ];
  return `${identity.path} (${facts.filter((fact) => fact !== null && fact !== '').join(', ')})`;
}

function describeRule(rule: TargetRule): string {
  return Object.entries(rule)
    .map(([field, value]) => `${field} ${String(value)}`)
    .join(', ');
}

const reasons: Record<NonNullable<TargetDisk['reserved']>, string> = {
  'boot-medium': 'this system was started from it',
  'holds-the-set': 'the backup set lies on it',
  mounted: 'it is mounted or otherwise in use',
};

/**
 * The disk that a rule means. Disks that must never be written are taken out first; what is left must
 * be exactly one.
 *
 * @throws `target-not-found`, `target-ambiguous`, `target-is-source` (`disk-busy` where it is mounted).
 */
export function findTarget(diskId: string, rule: TargetRule, candidates: readonly TargetDisk[]): TargetDisk {
  const matching = candidates.filter((candidate) => matchesRule(rule, candidate));
  const free = matching.filter((candidate) => candidate.reserved === null);
  const [found, second] = free;
  const reserved = matching[0]?.reserved ?? null;
  if (found !== undefined && second === undefined) return found;
  const facts = { disk: diskId, rule, seen: candidates.map(describeDisk) };
  if (second !== undefined) {
    throw new RemetalError(
      'target-ambiguous',
      `${free.length} disks answer the description of the target for ${diskId} (${describeRule(rule)}): ${free.map(describeDisk).join('; ')}`,
      {
        hint: 'Name the target by its serial number or WWN.',
        facts: { ...facts, candidates: free.map(describeDisk) },
      },
    );
  }
  if (reserved !== null) {
    const disk = describeDisk(matching[0]!);
    throw new RemetalError(
      reserved === 'mounted' ? 'disk-busy' : 'target-is-source',
      `${disk} cannot be the target for ${diskId}: ${reasons[reserved]}`,
      { hint: 'Name another disk.', facts: { ...facts, reserved } },
    );
  }
  const seen = candidates.length === 0 ? 'no disk at all' : candidates.map(describeDisk).join('; ');
  throw new RemetalError(
    'target-not-found',
    `No disk answers the description of the target for ${diskId} (${describeRule(rule)}); seen: ${seen}`,
    { hint: 'Check that the disk is attached and how it names itself.', facts },
  );
}

function isReleased(disk: TargetDisk, release: readonly string[]): boolean {
  return release.some(
    (word) =>
      word === 'all' ||
      sameText(word, disk.identity.serial) ||
      sameWwn(word, disk.identity.wwn) ||
      word === disk.identity.path ||
      disk.paths.includes(word),
  );
}

function checkTaken(disk: DiskLayout, target: TargetDisk, wishes: Wishes): void {
  const { identity } = target;
  if (identity.sectorSize !== disk.identity.sectorSize) {
    throw new RemetalError(
      'target-sector-size',
      `${describeDisk(target)} has sectors of ${identity.sectorSize} bytes, ${disk.id} of the set has ${disk.identity.sectorSize}: partition tables and file systems count in sectors and would not be understood`,
      {
        hint: `Use a disk with sectors of ${disk.identity.sectorSize} bytes, or reformat an NVMe disk to them with nvme format --lbaf.`,
        facts: { disk: disk.id, source: disk.identity.sectorSize, target: identity.sectorSize },
      },
    );
  }
  if (target.holds.length > 0 && !isReleased(target, wishes.release)) {
    throw new RemetalError(
      'target-holds-data',
      `${describeDisk(target)} holds data that nobody released: ${target.holds.join(', ')}`,
      {
        hint: 'Release it by its serial number, WWN or path, or name an empty disk.',
        facts: { disk: disk.id, path: identity.path, serial: identity.serial, holds: target.holds },
      },
    );
  }
}

/**
 * The target of each source disk, by the rules of the wishes.
 *
 * @throws as `findTarget`, and `target-doubled` when two source disks would go onto one target,
 *   `target-sector-size`, `target-holds-data`.
 */
export function chooseTargets(
  disks: readonly DiskLayout[],
  candidates: readonly TargetDisk[],
  wishes: Wishes,
): Map<string, TargetDisk> {
  const chosen = new Map<string, TargetDisk>();
  for (const disk of disks) {
    const rule = wishes.targets[disk.id];
    if (rule === undefined) {
      throw new RemetalError('target-not-found', `Nobody named a target for ${disk.id}`, {
        hint: `Name one for ${disk.id} by serial, WWN, path or size.`,
        facts: { disk: disk.id, seen: candidates.map(describeDisk) },
      });
    }
    const target = findTarget(disk.id, rule, candidates);
    const other = [...chosen].find(([, taken]) => taken === target);
    if (other !== undefined) {
      throw new RemetalError(
        'target-doubled',
        `${other[0]} and ${disk.id} would both be written onto ${describeDisk(target)}`,
        {
          hint: 'Name a target for each.',
          facts: { disks: [other[0], disk.id], path: target.identity.path },
        },
      );
    }
    checkTaken(disk, target, wishes);
    chosen.set(disk.id, target);
  }
  return chosen;
}

/**
 * Makes sure that the disk at hand is the one a plan is pinned to: size and sector size, and the WWN
 * and serial number it had; the path counts only where it had neither.
 *
 * @throws `target-changed`, with what differs.
 */
export function checkTarget(pinned: PlanTarget, found: DiskIdentity): void {
  const unnamed = pinned.serial === null && pinned.wwn === null;
  const same = (was: string | null, is: string | null, equal: typeof sameText): boolean =>
    was === null ? is === null : equal(was, is);
  const compared: {
    field: string;
    planned: string | number | null;
    found: string | number | null;
    same: boolean;
  }[] = [
    { field: 'size', planned: pinned.size, found: found.size, same: pinned.size === found.size },
    {
      field: 'sector size',
      planned: pinned.sectorSize,
      found: found.sectorSize,
      same: pinned.sectorSize === found.sectorSize,
    },
    {
      field: 'serial',
      planned: pinned.serial,
      found: found.serial,
      same: same(pinned.serial, found.serial, sameText),
    },
    { field: 'WWN', planned: pinned.wwn, found: found.wwn, same: same(pinned.wwn, found.wwn, sameWwn) },
    {
      field: 'path',
      planned: pinned.path,
      found: found.path,
      same: !unnamed || pinned.path === found.path,
    },
  ];
  const differs = compared.filter((entry) => !entry.same);
  if (differs.length === 0) return;
  const words = differs.map(
    (entry) => `${entry.field} ${entry.found ?? 'none'} instead of ${entry.planned ?? 'none'}`,
  );
  throw new RemetalError(
    'target-changed',
    `${found.path} is not the disk the plan was made for: ${words.join(', ')}`,
    {
      hint: 'Make a new plan for this disk.',
      facts: {
        disk: pinned.disk,
        differs: differs.map(({ field, planned, found: now }) => ({ field, planned, found: now })),
      },
    },
  );
}
