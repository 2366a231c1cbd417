import { GroupIndex, type SetReader } from '../archive/index.ts';
import type { BlockDevice } from '../disk/block-device.ts';
import { checkRange } from '../disk/range.ts';
import { RemetalError } from '../errors/index.ts';

/** Groups that are kept in memory: with those of 512 KiB that backups make, 32 MiB. */
const groupsKept = 64;

/**
 * A volume of a set as a device: what the set holds is read from its records, everything else is zeros.
 * It cannot be written (`disk-write-failed`). A record that is damaged throws `disk-read-failed` with the
 * record's error as its cause. Closing it leaves the set open.
 *
 * @param reader Nothing else may read groups of it at the same time.
 * @throws `volume-not-found`
 */
export function setVolume(reader: SetReader, volume: string, sectorSize = 512): BlockDevice {
  const map = reader.maps.get(volume);
  if (map === undefined) {
    throw new RemetalError('volume-not-found', `The set ${reader.name} holds no volume ${volume}`, {
      facts: { volume, volumes: [...reader.maps.keys()] },
    });
  }
  const index = new GroupIndex(map);
  const name = `${reader.name} ${volume}`;
  /** By group, the one used last at the end; null for zeros. */
  const kept = new Map<number, Buffer | null>();
  let turn: Promise<unknown> = Promise.resolve();

  const fetch = async (group: number): Promise<Buffer | null> => {
    const known = kept.get(group);
    if (known !== undefined) {
      kept.delete(group);
      kept.set(group, known);
      return known;
    }
    for await (const read of reader.groups(volume, { from: group, to: group + 1, onDamage: 'stop' })) {
      // The buffer is the caller's: not released, it stays as it is.
      kept.set(group, read.plain);
    }
    const [oldest] = kept.keys();
    if (kept.size > groupsKept && oldest !== undefined) kept.delete(oldest);
    return kept.get(group) ?? null;
  };

  const readPiece = async (target: Uint8Array, offset: number): Promise<number> => {
    const group = index.groupAtOffset(offset);
    if (group === null) {
      const length = Math.min(target.length, index.nextStart(offset) - offset);
      target.fill(0, 0, length);
      return length;
    }
    const bytes = await fetch(group);
    let at = 0;
    for (const extent of index.groupExtents(group)) {
      const inside = offset - extent.start;
      if (inside >= 0 && inside < extent.length) {
        const length = Math.min(target.length, extent.length - inside);
        if (bytes === null) target.fill(0, 0, length);
        else target.set(bytes.subarray(at + inside, at + inside + length));
        return length;
      }
      at += extent.length;
    }
    throw new RemetalError('internal', `Group ${group} of ${name} does not hold byte ${offset}`);
  };

  const readAll = async (target: Uint8Array, offset: number): Promise<void> => {
    for (let done = 0; done < target.length;) {
      try {
        done += await readPiece(target.subarray(done), offset + done);
      } catch (cause) {
        if (!(cause instanceof RemetalError) || cause.code === 'internal') throw cause;
        throw new RemetalError(
          'disk-read-failed',
          `${name} cannot be read at byte ${offset + done}: ${cause.message}`,
          {
            facts: { offset: offset + done, length: target.length - done, code: cause.code },
            cause,
          },
        );
      }
    }
  };

  const refused = (): Promise<never> =>
    Promise.reject(new RemetalError('disk-write-failed', `${name} is a backup set and is not written to`));
  const device: BlockDevice = {
    name,
    size: Math.floor(map.size / sectorSize) * sectorSize,
    sectorSize,
    async read(target, offset) {
      checkRange(device, offset, target.length);
      const reading = turn.then(() => readAll(target, offset));
      turn = reading.catch(() => {});
      await reading;
    },
    write: refused,
    writeZeroes: refused,
    discard: refused,
    flush: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
  return device;
}
