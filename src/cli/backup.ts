import { hostname } from 'node:os';
import type { Since } from '../archive/index.ts';
import { backup, checkSource, readBase, type BackupResult, type SourceDisk } from '../backup/index.ts';
import { formatBytes, formatDuration, total } from '../bytes/index.ts';
import { identityOf, openDisk } from '../disk/index.ts';
import { exitStatuses } from '../errors/index.ts';
import type { Medium } from '../medium/index.ts';
import { observeControlSet } from '../mount/index.ts';
import { machineFacts } from '../system/index.ts';
import { setNamed } from './address.ts';
import { collect, integerOption, sizeOption, usage, type Context, type Verb } from './context.ts';
import { rememberPlace } from './known-places.ts';
import { addTapeOptions, mediumAt, placeText, tellMovements, type TapeOptions } from './place.ts';
import { Option } from 'commander';

export const backupVerb: Verb = (program, act) => {
  addTapeOptions(
    program
      .command('backup')
      .description('image disks or image files as one backup set')
      .requiredOption('--disk <path>', 'a disk or an image file; may be given again for more', collect)
      .requiredOption(
        '--to <place>',
        `${placeText} the set is written to; a folder is made where it is missing`,
      )
      .option(
        '--since <set>',
        'store only what has changed since this set, or since the newest one of the machine of that name',
      )
      .option('--since-at <place>', 'where that set lies, when not in the place the new one goes to')
      .option('--name <name>', 'what the machine is called; the host name when absent')
      .option('--note <text>', 'a line that is kept in the set', '')
      .option('--all-sectors', 'take every sector, whatever the file systems say is free')
      .option('--keep-deleted', 'keep deleted files that can still be salvaged (NetWare)')
      .addOption(
        new Option('--on-read-error <what>', 'what to do at sectors that cannot be read')
          .choices(['stop', 'skip'])
          .default('stop'),
      )
      .option('--no-observe', 'do not walk the files of volumes whose format only the kernel knows')
      .option('--level <n>', 'zstd level; 0 stores plain', integerOption(0, 19), 1)
      .option('--part-size <size>', 'cut the set into files of at most this size, as 4G', sizeOption)
      .option('--sector-size <bytes>', 'sector size of image files: 512 or 4096', integerOption(512, 4096)),
  )
    .addHelpText(
      'after',
      `
Examples:
  remetal backup --disk /dev/sdb --to /mnt/usbdisk/web1
  remetal backup --disk server.raw --disk data.raw --to sets --name web1
  remetal backup --disk /dev/sdb --to /mnt/fatstick --part-size 4G --on-read-error skip
  remetal backup --disk /dev/sdb --to tape:/dev/tape/by-id/scsi-HU1234-nst`,
    )
    .action(act(backUp));
};

interface BackupOptions extends TapeOptions {
  readonly disk: readonly string[];
  readonly to: string;
  readonly since?: string;
  readonly sinceAt?: string;
  readonly name?: string;
  readonly note: string;
  readonly allSectors?: boolean;
  readonly keepDeleted?: boolean;
  readonly observe: boolean;
  readonly onReadError: 'stop' | 'skip';
  readonly level: number;
  readonly partSize?: number;
  readonly sectorSize?: number;
}

async function backUp(context: Context, options: BackupOptions): Promise<number> {
  const folder = options.to.startsWith('tape:') ? null : options.to.replace(/^tape\+file:/, '');
  for (const path of options.disk) await checkSource(path, folder);
  const sizes = options.sectorSize === undefined ? {} : { sectorSize: options.sectorSize };
  const disks: SourceDisk[] = [];
  const medium = mediumAt(context, options.to, options);
  let since: Since | null = null;
  try {
    for (const path of options.disk) {
      const identity = await identityOf(path, options.sectorSize);
      disks.push({ device: await openDisk(path, sizes), identity });
    }
    const began = performance.now();
    const facts = await machineFacts();
    since = await sinceOf(context, medium, options);
    const result = await context.during('backup', (reporter) =>
      backup({
        disks,
        medium,
        machine: ofImages(disks) ? fromElsewhere(options.name) : facts,
        name: options.name ?? hostname(),
        note: options.note,
        allSectors: options.allSectors === true,
        keepDeleted: options.keepDeleted === true,
        ...(since === null ? {} : { since }),
        ...(options.observe && process.getuid?.() === 0 ? { observe: observer(context) } : {}),
        onReadError: options.onReadError,
        level: options.level,
        now: new Date(),
        reporter,
        signal: context.signal,
      }),
    );
    const { name: machine, createdAt } = result.head;
    await rememberPlace(
      context.world.environment,
      options.to,
      [{ name: result.set, machine, createdAt }],
      false,
    );
    return report(context, options.to, result, (performance.now() - began) / 1000);
  } finally {
    for (const { device } of disks) await device.close();
    await since?.close();
    tellMovements(context, medium);
    await medium.close();
  }
}

/**
 * The set the new one builds on, as far as it is needed; null for a full backup. Throws `not-a-set`, what opening
 * it throws and `chain-base-unfit`.
 */
async function sinceOf(
  context: Context,
  medium: Medium,
  { since, sinceAt, ...options }: BackupOptions,
): Promise<Since | null> {
  if (since === undefined) {
    if (sinceAt !== undefined)
      usage('--since-at says where a set lies, and none is named.', 'Add --since SET.');
    return null;
  }
  const place = sinceAt === undefined ? medium : mediumAt(context, sinceAt, options);
  try {
    const chain = place === medium ? [medium] : [place, medium];
    const base = await readBase(place, await setNamed(place, since), chain);
    context.output.remark(`since ${base.name}, made ${base.createdAt}`);
    return base.since;
  } finally {
    if (place !== medium) await place.close();
  }
}

/* What a later listing needs is found out by making one: that takes a mount. */
function observer({ signal }: Context): NonNullable<Parameters<typeof backup>[0]['observe']> {
  return (device, filesystem) => observeControlSet(device, filesystem, { signal });
}

/* Image files say nothing about the machine they came from, and this one is another. */
function ofImages(disks: readonly SourceDisk[]): boolean {
  return disks.every(({ identity }) => identity.transport === 'file');
}

function fromElsewhere(name: string | undefined): Parameters<typeof backup>[0]['machine'] {
  return { hostname: name ?? 'image', firmware: null, vendor: null, product: null, serial: null };
}

function report(context: Context, place: string, result: BackupResult, seconds: number): number {
  const { set, head, totals } = result;
  const sum = (field: 'kept' | 'stored' | 'size'): number =>
    totals.volumes.reduce((bytes, volume) => bytes + volume[field], 0);
  const unreadable = totals.volumes.filter((volume) => volume.unreadable.length > 0);
  const lines = [
    `${set}: ${formatBytes(sum('kept'))} of ${formatBytes(sum('size'))} kept, ${formatBytes(sum('stored'))} on the medium, ${formatDuration(seconds)}`,
  ];
  const earlier = totals.volumes.reduce((bytes, volume) => bytes + (volume.earlier ?? 0), 0);
  if (head.chain.length > 0) {
    lines.push(`${formatBytes(earlier)} unchanged since ${head.chain.at(-1)!.name}, which this set needs`);
  }
  for (const volume of totals.volumes) {
    if (volume.wholeBecause !== null) lines.push(`${volume.volume}: whole, because ${volume.wholeBecause}`);
  }
  for (const volume of unreadable) {
    lines.push(`${volume.volume}: ${formatBytes(total(volume.unreadable))} could not be read and are zeros`);
  }
  context.output.result(
    { verb: 'backup', place, set, setId: head.setId, seconds, totals },
    `${lines.join('\n')}\n`,
  );
  return unreadable.length > 0 ? exitStatuses.exceptions : exitStatuses.ok;
}
