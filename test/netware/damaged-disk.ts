import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { makeNetware, noise, type ManifestEntry, type NetwareManifest } from '../fixtures/netware-maker.ts';

const copies = [32, 64, 96, 128];
const block = 65536;

/**
 * A small disk whose FAT and directory have one block each, and places on it: what is changed is
 * changed in every copy, so that only what it says can be wrong.
 */
export class DamagedDisk {
  readonly manifest: NetwareManifest;
  readonly path: string;

  constructor(folder: string) {
    this.manifest = makeNetware(folder, {
      disks: [{ name: 'disk.img', sectors: 8192 }],
      volumes: [
        {
          name: 'SYS',
          blockSize: block,
          suballocation: true,
          spaces: ['LONG'],
          segments: [{ disk: 0 }],
          entries: [
            { path: 'A', directory: true },
            { path: 'A/TWO.DAT', content: { noise: 2 * block } },
            { path: 'A/THREE.DAT', content: { noise: 3 * block } },
            { path: 'A/TAIL.DAT', content: { noise: 1000 } },
            { path: 'A/TAIL2.DAT', content: { noise: 1001 } },
            {
              path: 'A/RIGHTS.DAT',
              content: noise(10),
              trustees: Array.from({ length: 6 }, (_, i) => ({ id: i + 1, rights: i })),
            },
            { path: 'B', directory: true },
            { path: 'B/OTHER.DAT', content: { noise: 700 } },
            { path: 'GONE.DAT', content: { noise: block }, deleted: { at: '1997-03-11T14:15:16', by: 1 } },
          ],
          redirected: [{ of: { file: 'A/TWO.DAT' }, unit: 1 }],
        },
      ],
    });
    this.path = this.manifest.paths[0]!;
  }

  get #partition(): NetwareManifest['partitions'][number] {
    return this.manifest.partitions[0]!;
  }

  /** Byte of the disk where a sector of the partition begins. */
  physical(sector: number): number {
    return (this.#partition.start_lba + sector) * 512;
  }

  logical(sector: number): number {
    return this.physical(this.#partition.hotfix_sectors + sector);
  }

  block(number: number): number {
    return this.logical(this.#partition.vdt[0]!.start + number * (block / 512));
  }

  entry(path: string): ManifestEntry {
    return this.manifest.volumes['SYS']!.entries.find((entry) => entry.path === path)!;
  }

  hotfix(offset: number): number[] {
    return copies.map((sector) => this.physical(sector) + offset);
  }

  mirror(offset: number): number[] {
    return copies.map((sector) => this.physical(sector + 1) + offset);
  }

  /** Both copies of the table of redirections (0) or bad bits (1). */
  table(kind: 0 | 1, unit: number): number[] {
    return [160, 288].map((sector) => this.physical(sector + 64 * kind) + 4 * unit);
  }

  volumeTable(offset: number): number[] {
    return copies.map((sector) => this.logical(sector) + offset);
  }

  fat(number: number): number[] {
    const { fat1, fat2 } = this.#partition.vdt[0]!;
    return [fat1, fat2].map((copy) => this.block(copy) + 8 * number);
  }

  record(number: number, offset = 0): number[] {
    const { dir1, dir2 } = this.#partition.vdt[0]!;
    return [dir1, dir2].map((copy) => this.block(copy) + 128 * number + offset);
  }

  write(places: readonly number[], bytes: Buffer): void {
    const file = openSync(this.path, 'r+');
    for (const at of places) writeSync(file, bytes, 0, bytes.length, at);
    closeSync(file);
  }

  /** Puts a little-endian dword everywhere. */
  put(places: readonly number[], ...values: number[]): void {
    const bytes = Buffer.alloc(4 * values.length);
    values.forEach((value, i) => bytes.writeUInt32LE(value, 4 * i));
    this.write(places, bytes);
  }

  read(at: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    const file = openSync(this.path, 'r');
    readSync(file, bytes, 0, length, at);
    closeSync(file);
    return bytes;
  }

  dword(at: number): number {
    return this.read(at, 4).readUInt32LE();
  }
}
