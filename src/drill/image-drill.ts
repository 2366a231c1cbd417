import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { overlay, type BlockDevice, type Overlay } from '../disk/index.ts';
import { serveNbd } from '../mount/nbd/index.ts';
import { setVolume, type SetVolume } from '../mount/index.ts';
import { diskViews } from './disk-view.ts';
import { addFallbackLoaders } from './fallback-loader.ts';
import { drillFirmware, machineDisk, type DrillOutcome, type DrillRequest } from './request.ts';
import type { Failure } from './signs.ts';
import { watchMachine } from './watch.ts';

export interface ImageDrillRequest extends DrillRequest {
  /** Most bytes the guest may write. */
  readonly overlayBytes: number;
  /** Reads all control sets in one pass before the machine starts, as is best on a tape. */
  readonly preload: boolean;
}

/**
 * Starts a machine from the disks of a set and watches it. The set is only read: what the guest writes is kept apart
 * and thrown away. A machine that does not come up is a value, not an error.
 *
 * @throws `usage` for what cannot be drilled this way, `program-missing`, `program-failed`,
 *   `interrupted`
 */
export async function drillImage(request: ImageDrillRequest): Promise<DrillOutcome> {
  const { reader, signal } = request;
  const folder = await mkdtemp(join(request.scratch ?? tmpdir(), 'remetal-drill-'));
  const volumes: SetVolume[] = [];
  const overlays: Overlay[] = [];
  const trouble: { first: Failure | null } = { first: null };
  try {
    const views = diskViews({
      layout: reader.layout,
      ...(request.disks === undefined ? {} : { disks: request.disks }),
      volume(id, sectorSize) {
        const volume = setVolume(reader, id, {
          sectorSize,
          folder,
          ...(signal === undefined ? {} : { signal }),
        });
        volumes.push(volume);
        return volume;
      },
    });
    if (request.preload) for (const volume of volumes) await volume.loadControl();
    for (const { device } of views) {
      overlays.push(await overlay(device, { folder, mostBytes: request.overlayBytes }));
    }
    const firmware = drillFirmware(request);
    if (firmware === 'uefi') {
      await addFallbackLoaders({
        layout: reader.layout,
        disks: new Map(views.map(({ id }, index) => [id, overlays[index]!])),
        folder,
        tell: request.tell,
        ...(signal === undefined ? {} : { signal }),
      });
    }
    // Elsewhere than the scratch folder, whose path may be longer than that of a socket can be.
    const sockets = await mkdtemp(join(tmpdir(), 'remetal-drill-'));
    try {
      const socket = join(sockets, 'disks');
      const server = await serveNbd({
        exports: views.map(({ id }, index) => ({
          name: id,
          description: `${id} of ${reader.name}`,
          device: noting(overlays[index]!, trouble),
          readOnly: false,
        })),
        listen: { socket },
        tell: request.tell,
      });
      try {
        const watched = await watchMachine({
          hardware: {
            firmware,
            accelerator: request.accelerator,
            memoryBytes: request.memoryBytes,
            cpus: request.cpus,
            disks: views.map(({ id }) => machineDisk(request, id, { kind: 'nbd', socket, export: id })),
          },
          folder: sockets,
          expect: request.expect,
          probe: request.probe,
          seconds: request.seconds,
          trouble: () => trouble.first,
          ...(signal === undefined ? {} : { signal }),
        });
        const writtenBytes = overlays.reduce((sum, each) => sum + each.usedBytes, 0);
        return { ...watched, firmware, writtenBytes, restoreSeconds: null };
      } finally {
        await server.close();
      }
    } finally {
      await rm(sockets, { recursive: true, force: true });
    }
  } finally {
    for (const each of overlays) await each.close();
    for (const volume of volumes) await volume.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/* The guest sees a bad sector where a record of the set is damaged or the overlay is full; why is kept. */
function noting(device: BlockDevice, trouble: { first: Failure | null }): BlockDevice {
  const noted = async (work: Promise<void>): Promise<void> => {
    try {
      await work;
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error);
      trouble.first ??= { code: 'disk-error', reason: `A disk of the machine failed: ${said}.` };
      throw error;
    }
  };
  const { name, size, sectorSize } = device;
  return {
    name,
    size,
    sectorSize,
    read: (target, offset) => noted(device.read(target, offset)),
    write: (source, offset) => noted(device.write(source, offset)),
    writeZeroes: (offset, length) => noted(device.writeZeroes(offset, length)),
    discard: (offset, length) => noted(device.discard(offset, length)),
    flush: () => noted(device.flush()),
    close: () => device.close(),
    ...(device.dataExtents === undefined
      ? {}
      : { dataExtents: async () => (await device.dataExtents?.()) ?? [] }),
  };
}
