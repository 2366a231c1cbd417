import type { ExecutionContext } from 'ava';
import { intersect, normalize, subtract, total } from '../../src/bytes/index.ts';
import type { BlockDevice } from '../../src/disk/block-device.ts';
import { detect, type FileSystem, type UsedMap } from '../../src/filesystem/index.ts';
import { filesystemFactsSchema } from '../../src/layout/layout.ts';

/** What holds for every file system on every volume, sound or hostile. Returns the map for more checks. */
export async function checkFileSystem(
  t: ExecutionContext<any>,
  volume: BlockDevice,
  filesystem: FileSystem,
): Promise<UsedMap> {
  t.notThrows(() => filesystemFactsSchema.parse(filesystem.facts));
  const map = await filesystem.usedMap();
  const whole = [{ start: 0, length: volume.size }];
  t.deepEqual(map.used, normalize(map.used), 'used extents are sorted and merged');
  t.deepEqual(subtract(map.used, whole), [], 'used extents lie in the volume');
  t.is(map.trusted, map.reason === null, 'a map is trusted or says why not');
  if (!map.trusted) t.deepEqual(map.used, whole, 'an untrusted map is the whole volume');
  const control = await filesystem.controlSet();
  t.deepEqual(control, normalize(control), 'control extents are sorted and merged');
  t.is(total(intersect(control, map.used)), total(control), 'the control set is a subset of the used map');
  if (filesystem.filesIn !== undefined) {
    t.deepEqual(await filesystem.filesIn([]), [], 'no ranges own no files');
    for (const { path } of await filesystem.filesIn(whole)) t.true(path === null || path.startsWith('/'));
  }
  return map;
}

/** Detects, checks the contract, and wants the map trusted. */
export async function trustedMap(
  t: ExecutionContext<any>,
  volume: BlockDevice,
  type: string,
): Promise<UsedMap> {
  const filesystem = await detect(volume);
  if (filesystem === null) throw new Error('no file system was recognised');
  t.is(filesystem.facts.type, type);
  const map = await checkFileSystem(t, volume, filesystem);
  t.is(map.reason, null);
  return map;
}
