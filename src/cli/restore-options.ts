import { realpath } from 'node:fs/promises';
import { Option, type Command } from 'commander';
import { asTarget, fileAsTarget, parseRule, unreserved, type PlanRequest } from '../agent/index.ts';
import type { SetReader } from '../archive/index.ts';
import { liesOn, listDisks, type Disk } from '../disk/index.ts';
import { RemetalError } from '../errors/index.ts';
import type { TargetDisk } from '../restore/request.ts';
import {
  netwareWishesSchema,
  targetRuleSchema,
  type NetwareWishes,
  type TargetRule,
  type Wishes,
} from '../restore/wishes.ts';
import { firmware } from '../system/index.ts';
import { collect, integerOption, usage } from './context.ts';
import { addSetOptions, type SetOptions } from './place.ts';

/** The options `plan` and `restore` share. */
export interface RestoreOptions extends SetOptions {
  readonly disk?: readonly string[];
  readonly set?: string;
  readonly target?: readonly string[];
  readonly grow: string;
  readonly fat32?: boolean;
  readonly volume?: readonly string[];
  readonly release?: readonly string[];
  readonly bootEntry: boolean;
  readonly journal?: string;
  readonly sectorSize?: number;
  readonly shape?: NetwareWishes['shape'];
  readonly sys?: NetwareWishes['sys'];
  readonly hotfix?: number;
}

export function addRestoreOptions(command: Command): Command {
  return addSetOptions(command)
    .option(
      '--disk <path>',
      'the disk or image file to restore onto; given again for the next disk of the set',
      collect,
    )
    .option('--set <name>', 'which set; the newest when absent')
    .option(
      '--target <disk=rule>',
      'the target of one disk of the set by a rule, as disk1=serial:XYZ; may be given again',
      collect,
    )
    .option(
      '--grow <volume>',
      'which volume takes the room of a larger disk: last (of ext and XFS), none, or one by name (ext, XFS, FAT, swap)',
      'last',
    )
    .option(
      '--fat32',
      'a FAT that grows becomes FAT32 rather than get larger clusters, and even where its boot code is of the old kind',
    )
    .option('--volume <name>', 'only this volume; may be given again', collect)
    .option(
      '--release <what>',
      'a disk whose data may be overwritten, by serial, WWN or path, or all; may be given again',
      collect,
    )
    .option('--no-boot-entry', 'write no boot entry into EFI firmware')
    .option('--journal <file>', 'keep the journal in a file instead of on the target')
    .option('--sector-size <bytes>', 'sector size of image files: 512 or 4096', integerOption(512, 4096))
    .addOption(
      new Option('--shape <how>', 'NetWare: how volumes lie on their new disks').choices(
        netwareWishesSchema.shape.shape.unwrap().options,
      ),
    )
    .addOption(
      new Option('--sys <where>', 'NetWare: where the volume SYS may lie').choices(
        netwareWishesSchema.shape.sys.unwrap().options,
      ),
    )
    .option(
      '--hotfix <percent>',
      'NetWare: share of a data partition that becomes its hotfix area',
      integerOption(1, 50),
    );
}

/** What the planner needs, from the options. Throws `usage`, `disk-not-found`. */
export async function planRequestOf(
  reader: SetReader,
  place: string,
  options: RestoreOptions,
): Promise<PlanRequest> {
  const wishes = wishesOf(reader, options, await Promise.all((options.disk ?? []).map(realOf)));
  return {
    reader,
    candidates: await candidatesOf(place, options),
    wishes,
    firmware: await firmware(),
    journalFile: options.journal ?? null,
  };
}

function wishesOf(reader: SetReader, options: RestoreOptions, paths: readonly string[]): Wishes {
  const targets: Record<string, TargetRule> = {};
  for (const text of options.target ?? []) {
    const at = text.indexOf('=');
    if (at < 1) usage(`--target ${text} is not understood.`, 'Write --target disk1=serial:XYZ.');
    targets[text.slice(0, at)] = targetRuleSchema.parse(parseRule(text.slice(at + 1), `--target ${text}`));
  }
  const open = reader.layout.disks.filter(({ id }) => targets[id] === undefined);
  const unused = paths.filter((path) => !Object.values(targets).some((rule) => rule.path === path));
  const spreads = reader.layout.netware !== undefined;
  if (Object.keys(targets).length === 0 && unused.length > open.length && !spreads) {
    usage(
      `${unused.length} disks are named, but the set has ${reader.layout.disks.length}.`,
      'Name one --disk for each disk of the set.',
    );
  }
  for (const [i, { id }] of open.entries()) {
    const path = unused[i];
    if (path !== undefined) targets[id] = { path };
  }
  // NetWare volumes also go onto more disks than they were on.
  for (const [i, path] of (spreads ? unused.slice(open.length) : []).entries()) {
    targets[`disk${reader.layout.disks.length + i + 1}`] = { path };
  }
  return {
    targets,
    grow: options.grow,
    fat32: options.fat32 === true,
    release: [...(options.release ?? [])],
    bootEntry: options.bootEntry,
    ...(options.volume === undefined ? {} : { volumes: [...options.volume] }),
    ...(spreads ? { netware: netwareWishesOf(options) } : {}),
  };
}

function netwareWishesOf({ shape, sys, hotfix }: RestoreOptions): NetwareWishes {
  return netwareWishesSchema.parse({ shape, sys, hotfix });
}

/* Only named disks are candidates; a rule alone looks at every disk of the machine. */
async function candidatesOf(place: string, options: RestoreOptions): Promise<TargetDisk[]> {
  const disks = await listDisks();
  const named = options.disk ?? [];
  if (named.length === 0 && options.target === undefined) {
    usage(
      'No disk to restore onto is named.',
      'Name one with --disk or --target; `remetal disks` lists them.',
    );
  }
  if (named.length === 0) {
    const candidates: TargetDisk[] = [];
    for (const disk of disks) candidates.push(await hostTarget(disk, place));
    return candidates;
  }
  const candidates: TargetDisk[] = [];
  for (const path of named) {
    const real = await realOf(path);
    const disk = disks.find(({ paths }) => paths.includes(real) || paths.includes(path));
    const target =
      disk === undefined ? await fileTarget(real, place, options.sectorSize) : await hostTarget(disk, place);
    // The path as it was typed and the one behind it name the same disk.
    candidates.push({ ...target, paths: [...new Set([...target.paths, path, real])] });
  }
  return candidates;
}

async function hostTarget(disk: Disk, place: string): Promise<TargetDisk> {
  const target = await asTarget(disk, unreserved);
  return (await liesOn(place, disk.identity.path)) ? { ...target, reserved: 'holds-the-set' } : target;
}

async function fileTarget(path: string, place: string, sectorSize: number | undefined): Promise<TargetDisk> {
  const target = await fileAsTarget(path, sectorSize);
  return (await liesOn(place, path)) ? { ...target, reserved: 'holds-the-set' } : target;
}

async function realOf(path: string): Promise<string> {
  return realpath(path).catch((cause: unknown) => {
    throw new RemetalError('disk-not-found', `${path} does not exist.`, {
      hint: 'An image file to restore onto is made with truncate -s SIZE FILE.',
      facts: { path },
      cause,
    });
  });
}
