import type { SetReader } from '../../src/archive/index.ts';
import type { BackupRequest } from '../../src/backup/request.ts';
import type { BlockDevice } from '../../src/disk/index.ts';
import { openNetwareVolume, type NetwareFileSystem } from '../../src/filesystem/netware/index.ts';
import { readTable } from '../../src/layout/index.ts';
import {
  logicalOf,
  readNetware,
  volumeDevice,
  volumeNamed,
  type Netware,
} from '../../src/layout/netware/index.ts';
import { silent } from '../../src/progress/index.ts';
import { apply, journalStore, type ApplyOptions } from '../../src/restore/apply.ts';
import type { RestoreTargets } from '../../src/restore/apply-targets.ts';
import type { Plan } from '../../src/restore/plan-document.ts';
import { plan } from '../../src/restore/plan.ts';
import type { RestoreReport } from '../../src/restore/request.ts';
import type { Wishes } from '../../src/restore/wishes.ts';
import { backedUp as backedUpInMemory } from '../helpers/backed-up.ts';
import { identityOfMemory } from './targets.ts';

const interval = { bytes: 256 * 1024, milliseconds: 1e9 };

/** A set of these disks, in memory. */
export async function backedUp(
  disks: readonly { readonly id: string; readonly device: BlockDevice }[],
  options: Partial<BackupRequest> = {},
): Promise<SetReader> {
  const { reader } = await backedUpInMemory(
    disks.map(({ device, id }) => ({ device, identity: identityOfMemory(device, id) })),
    {
      machine: { hostname: 'fs1', firmware: null, vendor: null, product: null, serial: null },
      name: 'fs1',
      ...options,
    },
  );
  return reader;
}

/** What of NetWare is on these disks. */
export async function netwareOf(devices: readonly BlockDevice[]): Promise<Netware> {
  const disks = [];
  for (const [index, device] of devices.entries()) {
    disks.push({ id: `disk${index + 1}`, device, table: (await readTable(device)).table });
  }
  return await readNetware(disks);
}

/** A volume's file system. */
export async function volumeOf(netware: Netware, name: string): Promise<NetwareFileSystem> {
  const found = volumeNamed(netware, name);
  const device = volumeDevice(found, (partition) => logicalOf(netware, partition));
  return await openNetwareVolume(device, found.definition);
}

/** The plan that puts a set onto these devices, `disk1` onto the first. */
export function planFor(
  reader: SetReader,
  devices: readonly BlockDevice[],
  wishes: Partial<Wishes> = {},
): Plan {
  const candidates = devices.map((device, index) => {
    const path = `target${index + 1}`;
    return { identity: identityOfMemory(device, path), paths: [path], holds: [], reserved: null };
  });
  return plan({
    head: reader.head,
    layout: reader.layout,
    maps: [...reader.maps.values()],
    candidates,
    wishes: {
      targets: Object.fromEntries(
        candidates.map(({ paths }, index) => [`disk${index + 1}`, { path: paths[0]! }]),
      ),
      grow: 'last',
      release: [],
      bootEntry: false,
      ...wishes,
    },
    firmware: null,
  });
}

/** The devices as the targets `planFor` means. */
export function targetsOf(devices: readonly BlockDevice[]): RestoreTargets {
  return new Map(
    devices.map((device, index) => [
      `disk${index + 1}`,
      { device, identity: identityOfMemory(device, `target${index + 1}`) },
    ]),
  );
}

/** Applies a plan to the devices it was made for. */
export async function applyTo(
  reader: SetReader,
  made: Plan,
  devices: readonly BlockDevice[],
  options: Partial<ApplyOptions> = {},
): Promise<RestoreReport> {
  const targets = targetsOf(devices);
  return await apply(made, {
    reader,
    targets,
    journal: journalStore(made, targets, null),
    verify: true,
    onDamage: 'stop',
    reporter: silent,
    interval,
    ...options,
  });
}
