import { intersect, type Extent } from '../../bytes/extents.ts';
import { checkedInteger } from '../../bytes/fields.ts';
import type { BlockDevice } from '../../disk/block-device.ts';
import { RemetalError } from '../../errors/index.ts';
import type { FilesystemFacts } from '../../layout/layout.ts';
import type { VolumeDefinition } from '../../layout/netware/definition.ts';
import type { AffectedFile, FileSystem, UsedMap } from '../filesystem.ts';
import { wholeMap, wholeUnlessMapped } from '../whole.ts';
import {
  extentsOf,
  lengthOf,
  streamOf,
  type Contents,
  type FileExtent,
  type FileRange,
  type Fork,
  type OnLost,
} from './content.ts';
import { netwareControlSet } from './control.ts';
import { timeText } from './date.ts';
import { Findings, type Finding } from './findings.ts';
import { geometryOf, recordSize, recordsPerPage } from './geometry.ts';
import { netwareFilesIn } from './hits.ts';
import { moreTrustees, type NetwareFile } from './objects.ts';
import { purgeWrites, type PurgeWrite } from './purge.ts';
import { nameSpaces, parseRestriction, recordTypes, type NameSpace, type Trustee } from './records.ts';
import { readStructures, type Structures } from './structures.ts';
import { survey, type Survey } from './survey.ts';
import { netwareUsedMap } from './used.ts';
import { Walk } from './walk.ts';

/** More than this is read as a stream. */
const largestFileRead = 16 * 1024 * 1024;

export interface NetwareOptions {
  /** The used map keeps the blocks of deleted files that can be salvaged. False by default. */
  readonly keepDeleted?: boolean;
}

export interface WalkOptions {
  /** The name space of the paths, DOS by default; what has no name in it keeps its DOS name. */
  readonly names?: NameSpace;
}

/** What the root record says of the volume. */
export interface NetwareRoot {
  /** The shape of the directory: that of NetWare 4 and later, or that of 3.x. */
  readonly version: 3 | 4;
  readonly nameSpaces: readonly NameSpace[];
  readonly suballocated: boolean;
  readonly created: string | null;
  readonly modified: string | null;
  readonly owner: string;
  readonly inheritedRights: number;
  /** Trustees of the root directory. */
  readonly trustees: readonly Trustee[];
}

/** A user's limit of space in a volume or below a directory. */
export interface SpaceLimit {
  readonly directory: number;
  /** Object id of the user. */
  readonly id: string;
  /** In units of 4 KiB. */
  readonly limit: number;
}

/**
 * The file system of a NetWare 386 volume. Nothing but `walk`, `deleted`, `root`, `spaceLimits` and reading throws
 * for damage; what of the volume can be read can be read through these.
 */
export interface NetwareFileSystem extends FileSystem {
  readonly definition: VolumeDefinition;
  /** The used map, with the blocks of deleted files or without them, whatever the volume was opened with. */
  usedMap(options?: NetwareOptions): Promise<UsedMap>;
  filesIn(ranges: readonly Extent[]): Promise<AffectedFile[]>;
  /** Live files and directories, each directory before what is in it. Throws `filesystem-damaged` where there is no directory to read. */
  walk(options?: WalkOptions): AsyncGenerator<NetwareFile>;
  /** Deleted files that can still be salvaged. */
  deleted(options?: WalkOptions): AsyncGenerator<NetwareFile>;
  /** What the root record says; null where it is lost. */
  root(): Promise<NetwareRoot | null>;
  spaceLimits(): AsyncGenerator<SpaceLimit>;
  /** Bytes of a fork that can be read: of a compressed file those of its compressed data, in whole blocks. */
  length(file: NetwareFile, fork?: Fork): number;
  /** The extents of a fork in order, holes and what is lost among them. */
  extents(file: NetwareFile, fork?: Fork): Iterable<FileExtent>;
  /** At most 16 MiB of a file; less where it ends. Throws as `stream` does, and `field-range`. */
  read(file: NetwareFile, range: FileRange): Promise<Buffer>;
  /**
   * A range of a file in pieces. Throws `filesystem-damaged` at what is lost and `disk-read-failed` as the device
   * does; with `onLost`, which is told, zeros come for both.
   */
  stream(file: NetwareFile, range?: Partial<FileRange>, onLost?: OnLost): AsyncGenerator<Buffer>;
  /** Everything the server checks before it mounts the volume, and more. */
  check(): Promise<Finding[]>;
  /**
   * What to write so that deleted files are purged, for `carryOutPurge`; nothing where there are none, or where
   * the used map is not trusted. Open the volume anew after it. Throws as reading the device does.
   */
  purge(): AsyncGenerator<PurgeWrite>;
}

/**
 * Opens the file system of a volume. The volume table tells where FAT and directory begin, so no device can
 * be recognised without its definition. Reads the whole FAT and directory; damage is survived as far as the
 * second copies allow, and told by `check`.
 *
 * @param device Byte 0 is byte 0 of block 0.
 * @throws only what concerns the device itself, `disk-gone` for one.
 */
export async function openNetwareVolume(
  device: BlockDevice,
  definition: VolumeDefinition,
  options: NetwareOptions = {},
): Promise<NetwareFileSystem> {
  const geometry = geometryOf(device, definition);
  if (typeof geometry === 'string') return new UnreadableVolume(device, definition, geometry);
  const structures = await readStructures(device, definition, geometry);
  return new Volume(definition, structures, options);
}

const typeName = 'netware';

class Volume implements NetwareFileSystem {
  readonly definition: VolumeDefinition;
  readonly facts: FilesystemFacts;
  readonly #structures: Structures;
  readonly #options: NetwareOptions;
  #survey: Promise<Survey> | null = null;

  constructor(definition: VolumeDefinition, structures: Structures, options: NetwareOptions) {
    const { blockSize, blocks } = structures.geometry;
    this.definition = definition;
    this.facts = { type: typeName, uuid: null, label: definition.name, size: blocks * blockSize, blockSize };
    this.#structures = structures;
    this.#options = options;
  }

  usedMap(options: NetwareOptions = this.#options): Promise<UsedMap> {
    const { device } = this.#structures;
    return wholeUnlessMapped(device, async () =>
      netwareUsedMap(this.#structures, await this.#surveyed(), options.keepDeleted === true),
    );
  }

  async controlSet(): Promise<Extent[]> {
    return intersect(netwareControlSet(this.#structures), (await this.usedMap()).used);
  }

  filesIn(ranges: readonly Extent[]): Promise<AffectedFile[]> {
    return netwareFilesIn(this.#structures, ranges);
  }

  walk(options?: WalkOptions): AsyncGenerator<NetwareFile> {
    return this.#walk(options).live();
  }

  deleted(options?: WalkOptions): AsyncGenerator<NetwareFile> {
    return this.#walk(options).deleted();
  }

  async root(): Promise<NetwareRoot | null> {
    const { root, directory } = this.#structures;
    if (root.lost) return null;
    const more = await moreTrustees({ directory }, 0, root.nextTrustees);
    return {
      version: root.version,
      nameSpaces: root.nameSpaces.flatMap((space) => nameSpaces[space] ?? []),
      suballocated: root.suballocated,
      created: timeText(root.created),
      modified: timeText(root.modified),
      owner: root.owner,
      inheritedRights: root.inheritedRights,
      trustees: [...root.trustees, ...more.trustees],
    };
  }

  async *spaceLimits(): AsyncGenerator<SpaceLimit> {
    const { directory } = this.#structures;
    for (let page = 0; page < directory.pages; page++) {
      const bytes = await directory.page(page);
      if (bytes === null) continue;
      for (let i = 0; i < recordsPerPage; i++) {
        const record = bytes.subarray(i * recordSize, (i + 1) * recordSize);
        if (record.readUInt32LE(0) !== recordTypes.restriction) continue;
        const { directory: below, limits } = parseRestriction(record);
        for (const { id, limit } of limits) yield { directory: below, id, limit };
      }
    }
  }

  length(file: NetwareFile, fork?: Fork): number {
    return lengthOf(this.#contents(), file, fork);
  }

  extents(file: NetwareFile, fork?: Fork): Iterable<FileExtent> {
    return extentsOf(this.#contents(), file, fork);
  }

  async read(file: NetwareFile, range: FileRange): Promise<Buffer> {
    checkedInteger(range.offset, 0, Number.MAX_SAFE_INTEGER, 'offset in a file');
    checkedInteger(range.length, 0, largestFileRead, 'length of a read');
    const pieces: Buffer[] = [];
    for await (const piece of this.stream(file, range)) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  stream(file: NetwareFile, range: Partial<FileRange> = {}, onLost?: OnLost): AsyncGenerator<Buffer> {
    const whole = { offset: 0, length: Number.MAX_SAFE_INTEGER, ...range };
    return streamOf(this.#contents(), file, whole, onLost);
  }

  async check(): Promise<Finding[]> {
    return (await this.#surveyed()).findings.list();
  }

  async *purge(): AsyncGenerator<PurgeWrite> {
    yield* purgeWrites(this.#structures, await this.#surveyed());
  }

  #surveyed(): Promise<Survey> {
    return (this.#survey ??= survey(this.#structures));
  }

  #contents(): Contents {
    return { ...this.#structures, fat: this.#structures.fat.table };
  }

  #walk(options: WalkOptions = {}): Walk {
    const { directory, findings } = this.#structures;
    if (directory.pages > 0) return new Walk(this.#structures, options.names);
    throw damaged(this.definition, findings.doubt ?? 'It has no directory.');
  }
}

/** A volume whose definition contradicts its device: nothing of it can be found. */
class UnreadableVolume implements NetwareFileSystem {
  readonly definition: VolumeDefinition;
  readonly facts: FilesystemFacts;
  readonly #device: BlockDevice;
  readonly #reason: string;

  constructor(device: BlockDevice, definition: VolumeDefinition, reason: string) {
    this.definition = definition;
    const { sectorSize: blockSize, size } = device;
    this.facts = { type: typeName, uuid: null, label: definition.name, size, blockSize };
    this.#device = device;
    this.#reason = reason;
  }

  usedMap(): Promise<UsedMap> {
    return Promise.resolve(wholeMap(this.#device, this.#reason));
  }

  controlSet(): Promise<Extent[]> {
    return Promise.resolve([]);
  }

  filesIn(): Promise<AffectedFile[]> {
    return Promise.resolve([]);
  }

  walk(): never {
    throw damaged(this.definition, `${this.#reason}.`);
  }

  deleted(): never {
    return this.walk();
  }

  root(): never {
    return this.walk();
  }

  spaceLimits(): never {
    return this.walk();
  }

  length(): never {
    return this.walk();
  }

  extents(): never {
    return this.walk();
  }

  read(): never {
    return this.walk();
  }

  stream(): never {
    return this.walk();
  }

  purge(): never {
    return this.walk();
  }

  check(): Promise<Finding[]> {
    const findings = new Findings();
    findings.add('volume-definition', `${this.#reason}.`);
    return Promise.resolve(findings.list());
  }
}

function damaged(definition: VolumeDefinition, reason: string): RemetalError {
  return new RemetalError('filesystem-damaged', `Volume ${definition.name} cannot be read: ${reason}`, {
    hint: '`remetal check` says what is wrong with it.',
    facts: { volume: definition.name },
  });
}
