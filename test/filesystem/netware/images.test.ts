import { createHash } from 'node:crypto';
import { requires } from '../../helpers/requires.ts';
import { checkFileSystem } from '../../contract/filesystem.ts';
import type { NetwareFile, NetwareFileSystem } from '../../../src/filesystem/netware/index.ts';
import { all, entriesOf, opened, volumeOf, volumesOfImages, type ManifestEntry } from './volumes.ts';
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

for (const [image, volume] of volumesOfImages) {
  const test = requires('zstd');
  test(`${image} ${volume}: every file is as another implementation sees it`, async (t) => {
    const filesystem = await opened(image, volume);
    const files = [...(await all(filesystem.walk())), ...(await all(filesystem.deleted()))];
    const found = await Promise.all(files.map((file) => asManifest(filesystem, file)));
    const byNumber = (a: ManifestEntry, b: ManifestEntry): number => a.dirno - b.dirno;
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
}
