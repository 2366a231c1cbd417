import { createHash } from 'node:crypto';
import { requires } from '../../helpers/requires.ts';
import { checkFileSystem } from '../../contract/filesystem.ts';
import type { NetwareFile, NetwareFileSystem } from '../../../src/filesystem/netware/index.ts';
import type { Extent } from '../../../src/bytes/index.ts';
import { memoryDevice } from '../devices.ts';
import { all, bytesOf, entriesOf, opened, volumeOf, volumesOfImages, type ManifestEntry } from './volumes.ts';
import { openNetwareVolume } from '../../../src/filesystem/netware/index.ts';

async function asManifest(filesystem: NetwareFileSystem, file: NetwareFile): Promise<ManifestEntry> {
  const { kind, number, path, parent, attributes, flags, created, modified, archived, owner, deletion } =
    file;
  const base = {
    path,
    dirno: number,
    parent,
    attributes,
    flags,
    type: kind === 'file' ? 'file' : 'dir',
    deleted: deletion !== null,
    created,
    modified,
    archived,
    owner,
    ...(Object.keys(file.names).length === 0 ? {} : { names: file.names }),
    ...(deletion === null ? {} : { deleted_date: deletion.at ?? '', deleter: deletion.by }),
  } as const;
  if (kind === 'directory') return base;
  const hash = createHash('sha256');
  for await (const piece of filesystem.stream(file)) hash.update(piece);
  return {
    ...base,
    modifier: file.modifier ?? '',
    size: file.size,
    first_block: file.firstBlock,
    sha256: hash.digest('hex'),
    last_access: file.accessed,
  };
}

const byNumber = (a: ManifestEntry, b: ManifestEntry): number => a.dirno - b.dirno;

/** Path and hash of files. */
async function contents(
  filesystem: NetwareFileSystem,
  files: AsyncIterable<NetwareFile>,
): Promise<{ path: string; sha256: string | undefined }[]> {
  const out = [];
  for await (const file of files) {
    const { path, sha256 } = await asManifest(filesystem, file);
    out.push({ path, sha256 });
  }
  return out;
}

for (const [image, volume] of volumesOfImages) {
  const test = requires('zstd');
  test(`${image} ${volume}: every file is as another implementation sees it`, async (t) => {
    const filesystem = await opened(image, volume);
    const files = [...(await all(filesystem.walk())), ...(await all(filesystem.deleted()))];
    const found = await Promise.all(files.map((file) => asManifest(filesystem, file)));
    t.deepEqual(found.toSorted(byNumber), entriesOf(image, volume).toSorted(byNumber));
  });

  test(`${image} ${volume}: nothing is wrong with it, and its map is trusted`, async (t) => {
    const { device, definition } = await volumeOf(image, volume);
    const filesystem = await openNetwareVolume(device, definition);
    t.deepEqual(await filesystem.check(), []);
    const map = await checkFileSystem(t, device, filesystem);
    t.is(map.reason, null);
    t.is(filesystem.facts.label, volume);
  });

  test(`${image} ${volume}: what the map leaves out is not missed, nor all but the control set by a walk`, async (t) => {
    const { bytes, definition } = await bytesOf(image, volume);
    const filesystem = await openNetwareVolume(memoryDevice(bytes), definition);
    const live = await contents(filesystem, filesystem.walk());
    const deleted = await contents(filesystem, filesystem.deleted());
    const paths = live.map(({ path }) => path);
    const stripped = async (kept: readonly Extent[]): Promise<NetwareFileSystem> => {
      const copy = Buffer.alloc(bytes.length, 0xa5);
      for (const { start, length } of kept) bytes.copy(copy, start, start, start + length);
      return await openNetwareVolume(memoryDevice(copy), definition);
    };
    const without = await stripped((await filesystem.usedMap()).used);
    t.deepEqual(await contents(without, without.walk()), live);
    t.deepEqual(await without.check(), []);
    const withThem = await stripped((await filesystem.usedMap({ keepDeleted: true })).used);
    t.deepEqual(await contents(withThem, withThem.deleted()), deleted);
    t.is(deleted.length > 0, image === 'd-deleted');
    const control = await stripped(await filesystem.controlSet());
    t.deepEqual(
      (await all(control.walk())).map(({ path }) => path),
      paths,
    );
  });

  test(`${image} ${volume}: a range names the files it belongs to`, async (t) => {
    const filesystem = await opened(image, volume);
    for (const file of (await all(filesystem.walk())).filter(({ size }) => size > 0).slice(0, 20)) {
      const extent = [...filesystem.extents(file)].findLast(({ kind }) => kind === 'data');
      if (extent?.kind !== 'data') continue;
      const { at, length } = extent;
      const hit = await filesystem.filesIn([{ start: at + length - 1, length: 1 }]);
      t.deepEqual(hit, [{ path: file.path, inode: file.number, part: 'data' }]);
    }
    const first = (await all(filesystem.walk()))[0]!;
    const start = filesystem.definition.firstDirectory * filesystem.facts.blockSize + first.number * 128;
    t.deepEqual(await filesystem.filesIn([{ start, length: 1 }]), [
      { path: '/', inode: 0, part: 'metadata' },
      { path: first.path, inode: first.number, part: 'metadata' },
    ]);
  });
}
