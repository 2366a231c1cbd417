import type { BlockDevice } from '../../disk/block-device.ts';
import type { RemetalError } from '../../errors/index.ts';
import type { ExtendedAttribute, FileRun, FileTree, Moment, TreeFile, WalkOptions } from '../file-tree.ts';
import { largestRead, readBytes } from '../reading.ts';
import { walkTree, type Loaded, type NamedEntry, type Placeless, type Walkable } from '../walk-tree.ts';
import type { FatGeometry } from './boot.ts';
import { chainExtents, damaged } from './chain.ts';
import { attributeLetters, entrySize, filesOf } from './directory.ts';
import { FatChains } from './table.ts';

/** A directory holds at most 65,536 entries of 32 bytes. */
const longestDirectory = 2 * 1024 * 1024;

/** Where a directory begins: its first cluster, or null for the fixed place of FAT12 and FAT16. */
interface Directory {
  readonly cluster: number | null;
}

/**
 * The files of a FAT12, FAT16 or FAT32. Names are the long ones where there are any. FAT keeps local times
 * without a zone, to two seconds: they are told as if they were UTC. `id` is the byte of the volume at which the entry of a file
 * lies, 0 for the root; `more.attributes` has the letters of DOS.
 */
export function fatTree(volume: BlockDevice, geometry: FatGeometry): FileTree {
  return new FatTree(volume, geometry);
}

class FatTree implements FileTree {
  readonly pending = null;
  readonly #volume: BlockDevice;
  readonly #geometry: FatGeometry;
  readonly #chains: FatChains;

  constructor(volume: BlockDevice, geometry: FatGeometry) {
    this.#volume = volume;
    this.#geometry = geometry;
    this.#chains = new FatChains(volume, geometry);
  }

  walk(options?: WalkOptions): AsyncGenerator<TreeFile> {
    return walkTree(new Directories(this.#volume, this.#geometry, this.#chains), options);
  }

  async *runs(file: TreeFile): AsyncGenerator<FileRun> {
    if (file.kind !== 'file' || file.size === 0) return;
    const entry = await readBytes(this.#volume, file.id, entrySize);
    const [found] = filesOf(entry, this.#geometry.kind === 32);
    if (found === undefined || found.size !== file.size) throw damaged(`${file.path} is not where it was`);
    const wanted = { first: found.firstCluster, bytes: file.size, mayEnd: false };
    let offset = 0;
    for await (const { start, length } of chainExtents(this.#geometry, this.#chains, wanted)) {
      yield { offset, length, start };
      offset += length;
    }
  }

  target(file: TreeFile): Promise<Buffer> {
    return Promise.reject(damaged(`${file.path} is no symbolic link, FAT has none`));
  }

  attributes(): Promise<readonly ExtendedAttribute[]> {
    return Promise.resolve([]);
  }
}

/** The directories of one walk; none is loaded twice. */
class Directories implements Walkable<Directory> {
  readonly #volume: BlockDevice;
  readonly #geometry: FatGeometry;
  readonly #chains: FatChains;
  readonly #loaded = new Set<number>();

  constructor(volume: BlockDevice, geometry: FatGeometry, chains: FatChains) {
    this.#volume = volume;
    this.#geometry = geometry;
    this.#chains = chains;
  }

  fold(name: string): string {
    return name.toUpperCase();
  }

  root(): Promise<Loaded<Directory>> {
    const { kind, rootCluster } = this.#geometry;
    const cluster = kind === 32 ? rootCluster : null;
    if (cluster !== null) this.#loaded.add(cluster);
    const none = { modified: null, accessed: null, created: null };
    return Promise.resolve({ file: plainFile('directory', 0, { ...none, size: 0 }), directory: { cluster } });
  }

  async *entries(directory: Directory): AsyncGenerator<NamedEntry<Directory> | RemetalError> {
    const { bytes, placeOf } = await this.#read(directory);
    const found: NamedEntry<Directory>[] = [];
    for (const file of filesOf(bytes, this.#geometry.kind === 32)) {
      const name = file.name.toWellFormed();
      if (name === '' || name === '.' || name === '..' || name.includes('/')) {
        yield damaged(`${JSON.stringify(name)} is no name of a file`);
        continue;
      }
      // The entry is kept, not the directory it stands in.
      const entry = Buffer.from(bytes.subarray(file.to - entrySize, file.to));
      const at = placeOf(file.to - entrySize);
      const load = async (): Promise<Loaded<Directory>> => {
        const described = entryFile(entry, at, file.directory ? 0 : file.size, file.directory);
        if (!file.directory) return { file: described, directory: null };
        if (this.#loaded.has(file.firstCluster)) throw damaged('a directory has two names');
        this.#loaded.add(file.firstCluster);
        return { file: described, directory: { cluster: file.firstCluster } };
      };
      found.push({ name, raw: null, load });
    }
    yield* found.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  }

  /** The bytes of a directory, and where one of them lies in the volume. */
  async #read({ cluster }: Directory): Promise<{ bytes: Buffer; placeOf: (at: number) => number }> {
    const geometry = this.#geometry;
    if (cluster === null) {
      const length = Math.min(geometry.rootLength, longestDirectory);
      return {
        bytes: await readBytes(this.#volume, geometry.rootOffset, length),
        placeOf: (at) => geometry.rootOffset + at,
      };
    }
    const parts: Buffer[] = [];
    const places: { at: number; start: number }[] = [];
    let at = 0;
    const wanted = { first: cluster, bytes: longestDirectory, mayEnd: true };
    for await (const { start, length } of chainExtents(geometry, this.#chains, wanted)) {
      for (let done = 0; done < length; done += largestRead) {
        parts.push(await readBytes(this.#volume, start + done, Math.min(largestRead, length - done)));
      }
      places.push({ at, start });
      at += length;
    }
    return {
      bytes: Buffer.concat(parts),
      placeOf(wantedAt) {
        const place = places.findLast((each) => each.at <= wantedAt);
        return place === undefined ? 0 : place.start + wantedAt - place.at;
      },
    };
  }
}

function plainFile(
  kind: TreeFile['kind'],
  id: number,
  has: Pick<Placeless, 'size' | 'modified' | 'accessed' | 'created'>,
): Placeless {
  return { kind, id, links: 1, mode: null, owner: null, changed: null, device: null, more: {}, ...has };
}

/* Offsets in an entry: Microsoft's fatgen103, "Directory Structure". */
function entryFile(entry: Buffer, id: number, size: number, directory: boolean): Placeless {
  const letters = attributeLetters(entry.readUInt8(11));
  const created = moment(entry.readUInt16LE(16), entry.readUInt16LE(14), entry.readUInt8(13));
  const times = {
    modified: moment(entry.readUInt16LE(24), entry.readUInt16LE(22)),
    accessed: moment(entry.readUInt16LE(18), 0),
    created,
  };
  return {
    ...plainFile(directory ? 'directory' : 'file', id, { size, ...times }),
    more: letters === '' ? {} : { attributes: letters },
  };
}

/** Null for a date that is none; hundredths of a second lie beside the time of creation. */
function moment(date: number, time: number, hundredths = 0): Moment | null {
  const [year, month, day] = [1980 + (date >>> 9), (date >>> 5) & 15, date & 31];
  const [hour, minute, second] = [time >>> 11, (time >>> 5) & 63, (time & 31) * 2];
  const sound = month >= 1 && month <= 12 && day >= 1 && hour < 24 && minute < 60 && second < 60;
  if (!sound) return null;
  const more = hundredths < 200 ? hundredths : 0;
  return {
    seconds: Date.UTC(year, month - 1, day, hour, minute, second) / 1000 + Math.floor(more / 100),
    nanoseconds: (more % 100) * 10_000_000,
  };
}
