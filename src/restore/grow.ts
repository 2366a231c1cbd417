import type { BlockDevice } from '../disk/block-device.ts';
import { slice } from '../disk/slice.ts';
import { detect, type Growth, type LargerWish } from '../filesystem/index.ts';
import { RemetalError } from '../errors/index.ts';
import { run as runProgram } from '../system/index.ts';
import { carryOut } from './grow-layout.ts';
import { withLoop, withMount, type VolumePlace } from './mounting.ts';

export interface GrowRequest {
  readonly growth: Growth;
  /** The disk the volume lies on; flushed before and after. */
  readonly device: BlockDevice;
  readonly place: VolumePlace;
  /** For `fat`: bytes of the volume before it grew, and what is planned. */
  readonly relaid?: { readonly oldSize: number } & Omit<LargerWish, 'size'>;
  /** The time the tools of ext shall think it is, so that growing twice gives the same bytes. */
  readonly time: Date;
  /** How programs are run; for tests. */
  readonly run?: typeof runProgram;
  readonly signal?: AbortSignal;
  /** Told while bytes are moved. */
  readonly progress?: (doneBytes: number, totalBytes: number) => void;
}

/** What a growth came to: done, done in another way than planned, or left out; both latter with a sentence. */
export type Grown =
  | { readonly outcome: 'grown' }
  | { readonly outcome: 'differently' | 'left'; readonly message: string };

/** The largest header that is read to be rewritten: a swap page of 64 KiB. */
const headerLimit = 65_536;

/**
 * Makes the file system on a volume fill it. Throws `program-missing`, `program-failed`, `interrupted` or what
 * the device throws; a growth that was cut off leaves the volume undefined, and it has to be written
 * again before the next try. One that was left out has written nothing.
 */
export async function grow(request: GrowRequest): Promise<Grown> {
  const { growth, device } = request;
  let grown: Grown = { outcome: 'grown' };
  await device.flush();
  if (growth.by === 'resize2fs') await growExt(request);
  else if (growth.by === 'xfs_growfs') await growXfs(request);
  else if (growth.by === 'fat') grown = await layOut(request);
  else await rewriteHeader(request);
  await device.flush();
  return grown;
}

/* Everything is read and written through slices: nothing the file system claims leads out of the volume. */
async function layOut({ growth, device, place, relaid, signal, progress }: GrowRequest): Promise<Grown> {
  if (growth.laidOut === undefined || relaid === undefined) {
    throw new RemetalError(
      'internal',
      `How the volume at byte ${place.offset} of ${device.name} is to be laid out is not known`,
    );
  }
  const { oldSize, ...wish } = relaid;
  const old = slice(device, place.offset, oldSize);
  // Two file systems may have left their marks on one volume: then nobody knows what may be moved.
  const map = await (await detect(old))?.usedMap();
  if (map?.trusted !== true) {
    return { outcome: 'left', message: map?.reason ?? 'No file system is recognised on it' };
  }
  const layout = await growth.laidOut(old, { ...wish, size: place.size });
  if (typeof layout === 'string') return { outcome: 'left', message: layout };
  await carryOut(slice(device, place.offset, place.size), layout, {
    ...(signal === undefined ? {} : { signal }),
    ...(progress === undefined ? {} : { progress }),
  });
  if (layout.blockSize === wish.planned.blockSize) return { outcome: 'grown' };
  const message = `its files would not fit in allocation units of ${wish.planned.blockSize} bytes: it keeps those of ${layout.blockSize} and grows to ${layout.size} bytes only`;
  return { outcome: 'differently', message };
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
