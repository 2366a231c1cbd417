import type { VolumeDefinition } from './definition.ts';
import { warning, remark, type NetwareNotice } from './notice.ts';
import { sectorsPerBlock, type VolumeTableEntry } from './volume-table.ts';

/** A segment of a volume and where it lies. */
export interface Segment {
  /** Index of its partition in the list the volumes were assembled from. */
  readonly partition: number;
  /** Logical sector at which it begins. */
  readonly start: number;
  /** Sectors its table entry claims; the blocks may leave some at the end unused. */
  readonly sectors: number;
  readonly firstBlock: number;
  readonly blocks: number;
}

/** A volume of which every segment is there. */
export interface NetwareVolume {
  readonly definition: VolumeDefinition;
  /** In order; as many as the definition has. */
  readonly segments: readonly Segment[];
}

/** A volume that cannot be put together, and every reason why. */
export interface BrokenVolume {
  readonly name: string;
  readonly reasons: readonly string[];
}

/** The volume table of one partition, for assembling. */
export interface TableOfPartition {
  /** For messages: `disk1 partition 2`. */
  readonly name: string;
  readonly entries: readonly VolumeTableEntry[];
  readonly faults: readonly (string | null)[];
}

interface Found {
  readonly partition: number;
  readonly entry: VolumeTableEntry;
  readonly fault: string | null;
}

/**
 * Puts volumes together from the tables of all partitions. Segments belong together when name, block
 * size, number of segments, length and the places of FAT and directory agree, so that the volumes of two
 * servers that share a name stay apart. Volumes come in the order in which their first segment is met.
 */
export function assembleVolumes(tables: readonly TableOfPartition[]): {
  volumes: NetwareVolume[];
  broken: BrokenVolume[];
  notices: NetwareNotice[];
} {
  const groups = new Map<string, Found[]>();
  const overlaps = new Map<VolumeTableEntry, string>();
  for (const [partition, table] of tables.entries()) {
    for (const [entry, words] of overlapsOf(table)) overlaps.set(entry, words);
    for (const [index, entry] of table.entries.entries()) {
      const key = sharedKey(entry);
      const group = groups.get(key) ?? [];
      group.push({ partition, entry, fault: table.faults[index] ?? null });
      groups.set(key, group);
    }
  }
  const volumes: NetwareVolume[] = [];
  const broken: BrokenVolume[] = [];
  const notices: NetwareNotice[] = [];
  for (const found of groups.values()) {
    const { name } = found[0]!.entry;
    const reasons = reasonsAgainst(found, tables, overlaps);
    if (reasons.length > 0) broken.push({ name, reasons });
    else volumes.push(volumeOf(found, notices));
  }
  notices.push(
    ...sharedNames([...volumes.map(({ definition }) => definition.name), ...broken.map(({ name }) => name)]),
  );
  for (const { name, reasons } of broken) {
    notices.push(
      warning('netware-segments', `Volume ${name} cannot be put together: ${reasons.join('; ')}.`, {
        volume: name,
        reasons,
      }),
    );
  }
  return { volumes, broken, notices };
}

function sharedKey(entry: VolumeTableEntry): string {
  const { name, blockShift, segments, blocks, firstFat, mirrorFat, firstDirectory, mirrorDirectory } = entry;
  return JSON.stringify([
    name,
    blockShift,
    segments,
    blocks,
    firstFat,
    mirrorFat,
    firstDirectory,
    mirrorDirectory,
  ]);
}

function overlapsOf(table: TableOfPartition): [VolumeTableEntry, string][] {
  const sorted = table.entries.toSorted((a, b) => a.start - b.start);
  const words: [VolumeTableEntry, string][] = [];
  let furthest = sorted[0];
  for (const entry of sorted.slice(1)) {
    if (furthest !== undefined && entry.start < furthest.start + furthest.sectors) {
      const what = `segment ${furthest.position + 1} of ${furthest.name} and segment ${entry.position + 1} of ${entry.name} overlap at sector ${entry.start} of ${table.name}`;
      words.push([furthest, what], [entry, what]);
    }
    if (furthest === undefined || entry.start + entry.sectors > furthest.start + furthest.sectors) {
      furthest = entry;
    }
  }
  return words;
}

function reasonsAgainst(
  found: readonly Found[],
  tables: readonly TableOfPartition[],
  overlaps: ReadonlyMap<VolumeTableEntry, string>,
): string[] {
  const wrong = found
    .filter(({ fault }) => fault !== null)
    .map(({ partition, fault }) => `${tables[partition]!.name} names ${fault}`);
  if (wrong.length > 0) return wrong;
  const overlapping = new Set(found.flatMap(({ entry }) => overlaps.get(entry) ?? []));
  const { segments } = found[0]!.entry;
  const counted: string[] = [];
  for (let position = 0; position < segments; position++) {
    const here = found.filter(({ entry }) => entry.position === position);
    const nth = `segment ${position + 1} of ${segments}`;
    if (here.length === 0) counted.push(`${nth} is missing`);
    if (here.length > 1) {
      const places = here.map(
        ({ partition, entry }) => `${tables[partition]!.name} at sector ${entry.start}`,
      );
      counted.push(`${nth} is there ${here.length} times: on ${places.join(' and on ')}`);
    }
  }
  if (counted.length > 0) return [...overlapping, ...counted];
  return [...overlapping, ...blockReasons(inOrder(found).map(({ entry }) => entry))];
}

function inOrder(found: readonly Found[]): Found[] {
  return found.toSorted((a, b) => a.entry.position - b.entry.position);
}

/** Block at which the segment behind a position begins, as the table says it. */
function endOf(entries: readonly VolumeTableEntry[], position: number): number {
  return entries[position + 1]?.firstBlock ?? entries[position]!.blocks;
}

function blockReasons(entries: readonly VolumeTableEntry[]): string[] {
  const reasons: string[] = [];
  if (entries[0]!.firstBlock !== 0)
    reasons.push(`its first segment begins at block ${entries[0]!.firstBlock}`);
  for (const [position, entry] of entries.entries()) {
    const needed = endOf(entries, position) - entry.firstBlock;
    const room = Math.floor(entry.sectors / sectorsPerBlock(entry.blockShift));
    if (needed < 1)
      reasons.push(`segment ${position + 1} ends at the block it begins with, ${entry.firstBlock}`);
    else if (needed > room) {
      reasons.push(`segment ${position + 1} has room for ${room} blocks where ${needed} are claimed for it`);
    }
  }
  return reasons;
}

function volumeOf(found: readonly Found[], notices: NetwareNotice[]): NetwareVolume {
  const ordered = inOrder(found);
  const entries = ordered.map(({ entry }) => entry);
  const first = entries[0]!;
  const segments = ordered.map(({ partition, entry }, position) => ({
    partition,
    start: entry.start,
    sectors: entry.sectors,
    firstBlock: entry.firstBlock,
    blocks: endOf(entries, position) - entry.firstBlock,
  }));
  const slack = segments.filter(
    ({ sectors, blocks }) => Math.floor(sectors / sectorsPerBlock(first.blockShift)) > blocks,
  );
  if (slack.length > 0) {
    notices.push(
      remark(
        'netware-segments',
        `Volume ${first.name}: ${slack.length} of its segments have room for more blocks than the volume table uses.`,
        { volume: first.name },
      ),
    );
  }
  const uneven = entries.find((entry) => entry.sync !== first.sync || entry.flags !== first.flags);
  if (uneven !== undefined) {
    notices.push(
      remark(
        'netware-segments',
        `Volume ${first.name}: segment ${uneven.position + 1} has other flags or another sync number than the first.`,
        { volume: first.name, position: uneven.position },
      ),
    );
  }
  return {
    definition: {
      name: first.name,
      blockShift: first.blockShift,
      blocks: first.blocks,
      firstFat: first.firstFat,
      mirrorFat: first.mirrorFat,
      firstDirectory: first.firstDirectory,
      mirrorDirectory: first.mirrorDirectory,
      segments: segments.map(({ firstBlock, blocks }) => ({ firstBlock, blocks })),
      flags: first.flags,
      sync: first.sync,
    },
    segments,
  };
}

function sharedNames(names: readonly string[]): NetwareNotice[] {
  const shared = new Set(names.filter((name, index) => names.indexOf(name) !== index));
  return [...shared].map((volume) =>
    warning(
      'netware-segments',
      `The name ${volume} stands for ${names.filter((name) => name === volume).length} volumes: segments of that name contradict each other.`,
      { volume },
    ),
  );
}
