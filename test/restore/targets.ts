import type { BlockDevice, DiskIdentity } from '../../src/disk/index.ts';
import type { RestoreTargets } from '../../src/restore/apply-targets.ts';
import type { Plan } from '../../src/restore/plan-document.ts';
import { plan } from '../../src/restore/plan.ts';
import type { Wishes } from '../../src/restore/wishes.ts';
import type { MadeSet } from './sets.ts';

export function identityOfMemory(device: BlockDevice, serial: string): DiskIdentity {
  return {
    path: '/nonexistent/disk',
    size: device.size,
    sectorSize: device.sectorSize,
    physicalSectorSize: 4096,
    model: null,
    serial,
    wwn: null,
    transport: 'file',
    removable: false,
  };
}

/** The plan that puts a set of one disk onto `device`. */
export function planOnto(made: MadeSet, device: BlockDevice, wishes: Partial<Wishes> = {}): Plan {
  const identity = identityOfMemory(device, 'target');
  return plan({
    head: made.head,
    layout: made.layout,
    maps: made.maps,
    candidates: [{ identity, paths: [], holds: [], reserved: null }],
    wishes: {
      targets: { disk1: { serial: 'target' } },
      grow: 'none',
      release: ['all'],
      bootEntry: false,
      ...wishes,
    },
    firmware: null,
  });
}

export function targetsOf(device: BlockDevice): RestoreTargets {
  return new Map([['disk1', { device, identity: identityOfMemory(device, 'target') }]]);
}
