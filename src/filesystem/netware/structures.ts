import type { BlockDevice } from '../../disk/block-device.ts';
import type { VolumeDefinition } from '../../layout/netware/definition.ts';
import { DirectoryFile } from './directory-file.ts';
import { readFat, type Fat } from './fat-copies.ts';
import { Findings } from './findings.ts';
import { recordSize, type NetwareGeometry } from './geometry.ts';
import { RecordIndex, roles } from './index-of-records.ts';
import { recordFault, type Measure } from './record-check.ts';
import {
  mostNameSpace,
  parseNamed,
  parseRoot,
  recordTypes,
  volumeFlagBits,
  type RootRecord,
} from './records.ts';
import { Suballocation } from './suballocation.ts';

/** The root record, or what stands for it where it is lost. */
export interface Root extends RootRecord {
  readonly suballocated: boolean;
  readonly lost: boolean;
}

/** All of a volume that its files hang on, as it was found. */
export interface Structures {
  readonly device: BlockDevice;
  readonly geometry: NetwareGeometry;
  readonly fat: Fat;
  readonly directory: DirectoryFile;
  readonly extended: DirectoryFile | null;
  readonly root: Root;
  readonly index: RecordIndex;
  readonly suballocation: Suballocation;
  readonly measure: Measure;
  /** What was found wrong on the way. */
  readonly findings: Findings;
}

const known3 =
  volumeFlagBits.auditing |
  volumeFlagBits.suballocation |
  volumeFlagBits.compression |
  volumeFlagBits.migration;
const known4 = known3 | volumeFlagBits.newTrusteeCount | volumeFlagBits.nds;

/** Reads them. Damage is told and read past as far as the copies allow; it never throws for damage. */
export async function readStructures(
  device: BlockDevice,
  definition: VolumeDefinition,
  geometry: NetwareGeometry,
): Promise<Structures> {
  const findings = new Findings();
  checkDefinition(device, definition, geometry, findings);
  const fat = await readFat(device, geometry, definition, findings);
  const { firstDirectory: first, mirrorDirectory: mirror } = definition;
  const least = { geometry, records: 0xff_ff_ff_ff, version: 4 } as const;
  const directory = await DirectoryFile.open(
    device,
    fat.table,
    { what: 'directory', first, mirror },
    { findings, sound: (block) => soundRecords(block, least) },
  );
  const root = await readRoot(directory, findings);
  const index = await RecordIndex.of(directory);
  const suballocation = await Suballocation.read(
    { directory, fat: fat.table, first: root.suballocation, all: index.ofRole(roles.suballocation) },
    findings,
  );
  if (root.suballocated && root.suballocation === 0 && !root.lost) {
    findings.add(
      'suballocation-records',
      'The volume is suballocated and its root leads to no record of that.',
    );
  }
  return {
    device,
    geometry,
    fat,
    directory,
    extended: await readExtended(device, fat, root, findings),
    root,
    index,
    suballocation,
    measure: { geometry, records: directory.records, version: root.version },
    findings,
  };
}

function soundRecords(block: Buffer, measure: Measure): number {
  let sound = 0;
  for (let at = 0; at < block.length; at += recordSize) {
    if (recordFault(block.subarray(at, at + recordSize), measure) === null) sound++;
  }
  return sound;
}

/** Segments follow one another and make up the volume, and the device holds all of it. */
function checkDefinition(
  device: BlockDevice,
  definition: VolumeDefinition,
  { blockSize, blocks }: NetwareGeometry,
  findings: Findings,
): void {
  let at = 0;
  for (const [position, segment] of definition.segments.entries()) {
    if (segment.firstBlock !== at || segment.blocks < 1) {
      const words = `Segment ${position + 1} begins at block ${segment.firstBlock} where ${at} comes next.`;
      findings.add('volume-definition', words, { position, ...segment });
    }
    at = segment.firstBlock + segment.blocks;
  }
  if (at !== blocks) {
    const words = `The segments have ${at} blocks and the volume ${blocks}.`;
    findings.add('volume-definition', words, { segments: at, blocks });
  }
  if (blocks * blockSize > device.size) {
    const words = `The volume has ${blocks} blocks of ${blockSize} bytes and only ${device.size} bytes are there.`;
    findings.add('volume-short', words, { blocks, blockSize, size: device.size });
  }
}

async function readRoot(directory: DirectoryFile, findings: Findings): Promise<Root> {
  const record = await directory.record(0);
  const isRoot = record?.readUInt32LE(0) === recordTypes.root;
  if (record === null || !isRoot) {
    findings.add('root-record', 'Record 0 of the directory is no root record.');
    return { ...parseRoot(emptyRoot()), nameSpaces: anyNameSpace, suballocated: true, lost: true };
  }
  const root = parseRoot(record);
  const { volumeFlags, nameSpaces, version } = root;
  const known = version === 4 ? known4 : known3;
  if ((volumeFlags & ~known) !== 0) {
    const words = `The root record has volume flags ${volumeFlags.toString(16)} hex, of which ${known.toString(16)} hex are known.`;
    findings.add('root-flags', words, { volumeFlags });
  }
  const sound =
    nameSpaces[0] === 0 &&
    new Set(nameSpaces).size === nameSpaces.length &&
    nameSpaces.every((space) => space <= mostNameSpace) &&
    record.readUInt8(11) <= nameSpaces.length;
  if (!sound) {
    const words = `The root record names the name spaces ${nameSpaces.join(', ')}; DOS, 0, comes first and none twice.`;
    findings.add('name-spaces', words, { nameSpaces, count: record.readUInt8(11) });
  }
  await checkOtherRoots(directory, { record, nameSpaces }, findings);
  return { ...root, suballocated: (volumeFlags & volumeFlagBits.suballocation) !== 0, lost: false };
}

/** The root has a record in every name space, linked as the names of a file are. */
async function checkOtherRoots(
  directory: DirectoryFile,
  root: { readonly record: Buffer; readonly nameSpaces: readonly number[] },
  findings: Findings,
): Promise<void> {
  const met = new Set<number>();
  let record: Buffer | null = root.record;
  while (record !== null && record.readUInt32LE(0) === recordTypes.root) {
    const { nameSpace, nameList } = parseNamed(record);
    if (met.has(nameSpace)) break;
    met.add(nameSpace);
    if (nameList === 0) break;
    record = await directory.record(nameList);
  }
  const missing = root.nameSpaces.filter((space) => !met.has(space));
  if (missing.length === 0) return;
  findings.add('name-spaces', `There is no root record for the name spaces ${missing.join(', ')}.`, {
    missing,
  });
}

const anyNameSpace = Array.from({ length: mostNameSpace + 1 }, (_, space) => space);

/** A root that rules nothing out. */
function emptyRoot(): Buffer {
  const record = Buffer.alloc(recordSize);
  record.writeUInt8(volumeFlagBits.newTrusteeCount, 23);
  return record;
}

async function readExtended(
  device: BlockDevice,
  fat: Fat,
  root: RootRecord,
  findings: Findings,
): Promise<DirectoryFile | null> {
  const { extended, mirrorExtended } = root;
  if (extended === 0 && mirrorExtended === 0) return null;
  const names = { what: 'extended directory', first: extended, mirror: mirrorExtended };
  // Its records have no common shape by which to tell the better of two copies.
  return await DirectoryFile.open(device, fat.table, names, { findings, sound: () => 0 });
}
