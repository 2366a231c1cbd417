import type { BlockDevice } from '../disk/block-device.ts';
import type { Growth } from '../filesystem/filesystem.ts';
import { RemetalError } from '../errors/index.ts';
import { run as runProgram } from '../system/index.ts';
import { withLoop, withMount, type VolumePlace } from './mounting.ts';

export interface GrowRequest {
  readonly growth: Growth;
  /** The disk the volume lies on; flushed before and after. */
  readonly device: BlockDevice;
  readonly place: VolumePlace;
  /** The time the tools of ext shall think it is, so that growing twice gives the same bytes. */
  readonly time: Date;
  /** How programs are run; for tests. */
  readonly run?: typeof runProgram;
  readonly signal?: AbortSignal;
}

/** The largest header that is read to be rewritten: a swap page of 64 KiB. */
const headerLimit = 65_536;

/**
 * Makes the file system on a volume fill it. Throws `program-missing` or `program-failed`; a growth
 * that was cut off leaves the volume undefined, and it has to be written again before the next try.
 */
export async function grow(request: GrowRequest): Promise<void> {
  const { growth, device } = request;
  await device.flush();
  if (growth.by === 'resize2fs') await growExt(request);
  else if (growth.by === 'xfs_growfs') await growXfs(request);
  else await rewriteHeader(request);
  await device.flush();
}

async function growExt({ place, time, signal, run = runProgram }: GrowRequest): Promise<void> {
  const seconds = String(Math.floor(time.getTime() / 1000));
  const options = {
    env: { E2FSPROGS_FAKE_TIME: seconds, E2FSCK_TIME: seconds, E2FSPROGS_SKIP_PROGRESS: '1' },
    ...(signal === undefined ? {} : { signal }),
  };
  await withLoop(place, async (device) => {
    // Status 1: something was corrected, as when the journal of a server that was not shut down is replayed.
    await run('e2fsck', ['-f', '-y', device], { ...options, okStatuses: [0, 1] });
    // -f: without it a last mount "in the future" of the time given above would be refused.
    await run('resize2fs', ['-f', device], options);
  });
}

async function growXfs({ place, signal, run = runProgram }: GrowRequest): Promise<void> {
  // nouuid: the volume this one is an image of may be mounted on this very machine.
  await withMount(place, ['nouuid'], async (folder) => {
    await run('xfs_growfs', ['-d', folder], signal === undefined ? {} : { signal });
  });
}

async function rewriteHeader({ growth, device, place }: GrowRequest): Promise<void> {
  if (growth.grownHeader === undefined) {
    throw new RemetalError(
      'internal',
      `The volume at byte ${place.offset} of ${device.name} has no header to grow`,
    );
  }
  const stored = Buffer.alloc(Math.min(headerLimit, place.size));
  await device.read(stored, place.offset);
  const grown = growth.grownHeader(stored, place.size);
  const { sectorSize } = device;
  const whole = Buffer.alloc(Math.ceil(grown.length / sectorSize) * sectorSize);
  stored.copy(whole, 0, 0, whole.length);
  grown.copy(whole);
  await device.write(whole, place.offset);
}
