import type { SetReader } from '../archive/index.ts';
import { total } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import type { Notice } from '../progress/index.ts';
import {
  controllerFor,
  firmwareFor,
  type Accelerator,
  type Controller,
  type DrillFirmware,
  type MachineDisk,
} from './hardware.ts';
import type { Probe } from './probe.ts';
import type { Watched } from './watch.ts';

/** What every drill is asked for. */
export interface DrillRequest {
  readonly reader: SetReader;
  /** Ids of the disks the machine gets, in the order it tries them; all when absent. */
  readonly disks?: readonly string[];
  /** Null: as the set says. */
  readonly firmware: DrillFirmware | null;
  /** Null: as each disk was attached, as far as QEMU can. */
  readonly controller: Controller | null;
  readonly accelerator: Accelerator;
  readonly memoryBytes: number;
  readonly cpus: number;
  /** Null: a login prompt. */
  readonly expect: RegExp | null;
  readonly probe: Probe | null;
  /** Most seconds from the start of the machine to the verdict. */
  readonly seconds: number;
  /** Folder for what does not fit into memory; the system's for temporary files when absent. */
  readonly scratch?: string;
  readonly signal?: AbortSignal;
  readonly tell: (notice: Notice) => void;
}

/** What a drill came to. */
export interface DrillOutcome extends Watched {
  readonly firmware: DrillFirmware;
  /** Bytes the guest wrote, which were thrown away; null where they lie on restored disks. */
  readonly writtenBytes: number | null;
  /** Seconds the restore before took; null where there was none. */
  readonly restoreSeconds: number | null;
}

/** The firmware a drill starts the machine under. */
export function drillFirmware({
  reader,
  firmware,
}: Pick<DrillRequest, 'reader' | 'firmware'>): DrillFirmware {
  const boots = reader.layout.volumes.filter(({ kind }) => kind === 'boot');
  const bootCode = boots.reduce((sum, { id }) => {
    const map = reader.maps.get(id);
    return sum + (map === undefined ? 0 : total(map.control) + total(map.data));
  }, 0);
  return firmware ?? firmwareFor(reader.layout, bootCode);
}

/** A disk of the set as it is attached to a machine. */
export function machineDisk(
  { reader, controller }: Pick<DrillRequest, 'reader' | 'controller'>,
  id: string,
  source: MachineDisk['source'],
): MachineDisk {
  const disk = reader.layout.disks.find((each) => each.id === id);
  if (disk === undefined) throw new RemetalError('internal', `There is no disk ${id} to attach`);
  const { identity } = disk;
  return {
    source,
    controller: controller ?? controllerFor(identity),
    sectorSize: identity.sectorSize,
    serial: identity.serial,
    wwn: identity.wwn,
  };
}
