import { alignOutward, normalize, type Extent } from '../bytes/index.ts';
import type { BlockDevice } from '../disk/block-device.ts';
import { RemetalError } from '../errors/index.ts';
import { needsReplay } from '../filesystem/index.ts';
import { isVolumeMountable } from '../system/index.ts';
import { mountedTree } from './extract/index.ts';
import { withMountedVolume } from './mounted-volume.ts';

/** What looks for partitions, RAID members and file systems reads so much of both ends of a device. */
const probed = 1024 * 1024;
/**
 * The kernel reads ahead, and another time elsewhere than this time: what was read is widened to this grid, so that
 * a later mount stays inside.
 */
const grid = 64 * 1024;
/** Extents that are collected before they are merged. */
const manyExtents = 20_000;

/** A device that keeps which of its bytes were read, and nothing else of it. */
function observed(device: BlockDevice): { readonly device: BlockDevice; readonly extents: () => Extent[] } {
  let extents: Extent[] = [];
  const { name, size, sectorSize } = device;
  return {
    device: {
      name,
      size,
      sectorSize,
      async read(target, offset) {
        await device.read(target, offset);
        extents.push({ start: offset, length: target.length });
        if (extents.length >= manyExtents) extents = normalize(alignOutward(extents, grid, size));
      },
      write: refused,
      writeZeroes: refused,
      discard: refused,
      flush: () => Promise.resolve(),
      close: () => Promise.resolve(),
    },
    extents: () => normalize(alignOutward(normalize(extents), grid, size)),
  };
}

function refused(): Promise<never> {
  return Promise.reject(new RemetalError('disk-write-failed', 'A volume that is observed is not written to'));
}

/**
 * The control set of a volume whose format only the kernel knows: the volume is mounted read-only through a server of
 * our own, its whole tree is walked (names, attributes, where the contents lie), and what was read for that is the
 * control set, with both ends of the volume. Byte extents; empty where the kernel has no driver of that kind. Needs
 * root. Nothing is written to the device. Throws `mount-failed`, `disk-read-failed`, and what `signal` says.
 *
 * @param filesystem Its type, as in a layout record.
 */
export async function observeControlSet(
  device: BlockDevice,
  filesystem: string,
  options: { readonly folder?: string; readonly signal?: AbortSignal } = {},
): Promise<Extent[]> {
  if (!isVolumeMountable(filesystem)) return [];
  const { signal } = options;
  const seen = observed(device);
  const replay = await needsReplay(seen.device, filesystem);
  await withMountedVolume(seen.device, { ...options, filesystem, replay }, async (root) => {
    const tree = mountedTree(root, { hasPlaces: filesystem !== 'ntfs' });
    for await (const file of tree.walk()) {
      signal?.throwIfAborted();
      await tree.attributes(file);
      if (file.kind === 'link') await tree.target(file);
      for await (const run of tree.runs(file)) void run;
    }
  });
  const ends = [
    { start: 0, length: Math.min(probed, device.size) },
    { start: Math.max(0, device.size - probed), length: Math.min(probed, device.size) },
  ];
  return normalize([...seen.extents(), ...ends]);
}
