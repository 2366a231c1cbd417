import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { openSet } from '../../src/archive/index.ts';
import { backup } from '../../src/backup/index.ts';
import { memoryDisk } from '../../src/disk/index.ts';
import { openNetwareVolume, type NetwareFileSystem } from '../../src/filesystem/netware/index.ts';
import { volumesOfRecord } from '../../src/layout/netware/index.ts';
import { memoryMedium } from '../../src/medium/index.ts';
import type { Notice } from '../../src/progress/index.ts';
import { requires } from '../helpers/requires.ts';
import { disksOf } from '../layout/netware/images.ts';
import { identityOfMemory } from '../restore/targets.ts';

interface Entry {
  readonly path: string;
  readonly type: string;
  readonly deleted: boolean;
  readonly sha256?: string;
}

function entriesOf(name: string, volume: string): Entry[] {
  const file = join(import.meta.dirname, '../fixtures/netware', `${name}.manifest.json`);
  const manifest: { volumes: Record<string, { entries: Entry[] }> } = JSON.parse(readFileSync(file, 'utf8'));
  return manifest.volumes[volume]!.entries;
}

async function hashes(
  filesystem: NetwareFileSystem,
  which: 'walk' | 'deleted',
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const file of filesystem[which]()) {
    if (file.kind !== 'file') continue;
    const hash = createHash('sha256');
    for await (const piece of filesystem.stream(file)) hash.update(piece);
    found.set(file.path, hash.digest('hex'));
  }
  return inOrder(found);
}

function inOrder(pairs: Iterable<readonly [string, string | undefined]>): Map<string, string> {
  return new Map(
    [...pairs].map(([path, hash]) => [path, hash ?? ''] as const).toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
}

/** The NetWare volumes of a set of these disks, each rebuilt from the set alone. */
async function throughASet(
  name: string,
  options: { readonly keepDeleted?: boolean; readonly only?: number } = {},
): Promise<{ volumes: Map<string, NetwareFileSystem>; ids: string[]; notices: Notice[] }> {
  const disks = (await disksOf(name)).slice(0, options.only);
  const notices: Notice[] = [];
  const medium = memoryMedium();
  const { set, layout } = await backup({
    disks: disks.map(({ device, id }) => ({ device, identity: identityOfMemory(device, id) })),
    medium,
    machine: { hostname: 'fs1', firmware: null, vendor: null, product: null, serial: null },
    name: 'fs1',
    note: '',
    allSectors: false,
    keepDeleted: options.keepDeleted ?? false,
    onReadError: 'stop',
    level: 1,
    now: new Date('2031-02-03T04:05:06Z'),
    reporter: { progress: () => {}, notice: (notice) => void notices.push(notice) },
  });
  const reader = await openSet(medium, set);
  const volumes = new Map<string, NetwareFileSystem>();
  const defined = layout.netware === undefined ? [] : volumesOfRecord(layout.netware);
  for (const { definition } of defined) {
    const id = `netware.${definition.name}`;
    const device = memoryDisk(reader.maps.get(id)!.size);
    for await (const { extents, plain } of reader.groups(id, { onDamage: 'stop' })) {
      let at = 0;
      for (const { start, length } of extents) {
        if (plain !== null) await device.write(plain.subarray(at, at + length), start);
        at += length;
      }
    }
    volumes.set(definition.name, await openNetwareVolume(device, definition));
  }
  await reader.close();
  return { volumes, ids: layout.volumes.map(({ id }) => id), notices };
}

const expected = {
  'a-basic4k': ['SYS'],
  'b-suballoc64k': ['SYS'],
  'c-segments': ['SYS', 'VOL1'],
  'e-long': ['SYS'],
  'f-hotfix': ['SYS'],
} as const;

requires('zstd')(
  'NetWare volumes come out of a set as their manifests say, whatever they were made of',
  async (t: ExecutionContext) => {
    for (const [name, names] of Object.entries(expected)) {
      const { volumes, ids } = await throughASet(name);
      t.deepEqual([...volumes.keys()].toSorted(), [...names], name);
      t.false(
        ids.some((id) => id.includes('part')),
        `${name}: no partition is imaged twice`,
      );
      for (const [volume, filesystem] of volumes) {
        const wanted = entriesOf(name, volume).filter(({ type, deleted }) => type === 'file' && !deleted);
        t.true(wanted.length > 0, `${name} ${volume}`);
        t.deepEqual(
          await hashes(filesystem, 'walk'),
          inOrder(wanted.map(({ path, sha256 }) => [path, sha256])),
          `${name} ${volume}`,
        );
        const { trusted } = await filesystem.usedMap();
        t.true(trusted, `${name} ${volume}`);
      }
    }
  },
);

requires('zstd')(
  'salvageable files are left out of a set, and kept on demand',
  async (t: ExecutionContext) => {
    const wanted = inOrder(
      entriesOf('d-deleted', 'SYS')
        .filter(({ type, deleted }) => type === 'file' && deleted)
        .map(({ path, sha256 }) => [path, sha256]),
    );
    t.true(wanted.size > 20);
    const kept = await throughASet('d-deleted', { keepDeleted: true });
    t.deepEqual(await hashes(kept.volumes.get('SYS')!, 'deleted'), wanted);
    const without = await throughASet('d-deleted');
    const empty = await hashes(without.volumes.get('SYS')!, 'deleted');
    const same = [...wanted].filter(([path, hash]) => empty.get(path) === hash);
    t.true(same.length < wanted.size / 4, `${same.length} of ${wanted.size} deleted files are there`);
  },
);

requires('zstd')(
  'a partition with a piece of a volume that cannot be put together is imaged whole',
  async (t: ExecutionContext) => {
    const { ids, notices } = await throughASet('c-segments', { only: 1 });
    t.true(ids.includes('disk1.part1'));
    t.false(ids.some((id) => id.startsWith('netware.')));
    t.true(notices.some(({ code }) => code === 'netware-volume-broken'));
  },
);
