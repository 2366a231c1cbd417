import type { DiskIdentity } from '../disk/index.ts';
import type { Layout, Table } from '../layout/index.ts';

/** How a disk is attached; each is another driver in the guest. */
export const controllers = ['ahci', 'ide', 'nvme', 'virtio', 'scsi'] as const;
export type Controller = (typeof controllers)[number];

export type DrillFirmware = 'bios' | 'uefi';
export type Accelerator = 'kvm' | 'tcg';

/** A disk or disc of the machine. */
export interface MachineDisk {
  /** Where its sectors come from. */
  readonly source:
    | { readonly kind: 'nbd'; readonly socket: string; readonly export: string }
    | { readonly kind: 'file'; readonly path: string };
  readonly controller: Controller | 'cd';
  readonly sectorSize: number;
  readonly serial?: string | null;
  readonly wwn?: string | null;
}

/** A connection to the guest that the host is let through to. */
export interface Forward {
  readonly hostPort: number;
  /** The address of the guest; null where it asks for one. */
  readonly address: string | null;
  readonly guestPort: number;
}

export interface Hardware {
  readonly firmware: DrillFirmware;
  readonly accelerator: Accelerator;
  readonly memoryBytes: number;
  readonly cpus: number;
  /** In the order the firmware tries them. */
  readonly disks: readonly MachineDisk[];
  /** Null for a machine without a network. */
  readonly forward: Forward | null;
  /** The firmware's code and the file for its variables; only under UEFI. */
  readonly pflash: { readonly code: string; readonly variables: string } | null;
  /** Socket of QEMU's control channel. */
  readonly control: string;
}

/** The arguments of qemu-system-x86_64 for a machine whose serial line is its standard output. */
export function emulatorArguments(hardware: Hardware): string[] {
  const { firmware, accelerator, memoryBytes, cpus, disks, forward, pflash, control } = hardware;
  const old = disks.some(({ controller }) => controller === 'ide');
  // Over memory protection keys as they are emulated, programs of a guest (Node, as in the agent) were seen to end.
  const words = [
    ['-nodefaults', '-no-user-config'],
    ['-machine', old && firmware === 'bios' ? 'pc' : 'q35'],
    ['-accel', accelerator === 'kvm' ? 'kvm' : 'tcg,thread=multi'],
    [
      '-cpu',
      accelerator === 'kvm' ? 'max' : 'max,pku=off',
      '-smp',
      String(cpus),
      '-m',
      `${Math.ceil(memoryBytes / 1024 ** 2)}M`,
    ],
    ['-display', 'none', '-vga', 'std', '-device', 'virtio-rng-pci'],
    ['-serial', 'stdio', '-qmp', `unix:${escaped(control)},server=on,wait=off`],
    pflash === null ? [] : pflashArguments(pflash),
    diskArguments(disks),
    forward === null ? [] : networkArguments(forward),
  ];
  return words.flat();
}

function pflashArguments({ code, variables }: { code: string; variables: string }): string[] {
  const codeDrive = `if=pflash,unit=0,format=raw,readonly=on,file=${escaped(code)}`;
  return ['-drive', codeDrive, '-drive', `if=pflash,unit=1,format=raw,file=${escaped(variables)}`];
}

/* A comma in a value is doubled (QEMU documentation, "Standard options"). */
function escaped(value: string): string {
  return value.replaceAll(',', ',,');
}

/* Restricted: the guest reaches nothing, and nothing but this one port reaches the guest. */
function networkArguments({ hostPort, address, guestPort }: Forward): string[] {
  const net = address === null ? '' : `,net=${networkOf(address)}`;
  const forwarded = `hostfwd=tcp:127.0.0.1:${hostPort}-${address ?? ''}:${guestPort}`;
  return ['-netdev', `user,id=net0,restrict=on${net},${forwarded}`, '-device', 'e1000e,netdev=net0,romfile='];
}

/* The network of 256 addresses it lies in, with QEMU's own side of it out of its way. */
function networkOf(address: string): string {
  const prefix = address.slice(0, address.lastIndexOf('.'));
  const own = address.endsWith('.2') ? '9' : '2';
  return `${prefix}.0/24,host=${prefix}.${own}`;
}

const portsOfAhci = 6;
const portsOfIde = 4;

function diskArguments(disks: readonly MachineDisk[]): string[] {
  const counts = new Map<string, number>();
  const next = (bus: string): number => {
    const ordinal = counts.get(bus) ?? 0;
    counts.set(bus, ordinal + 1);
    return ordinal;
  };
  const adapters: string[] = [];
  const old = disks.some(({ controller }) => controller === 'ide');
  const devices = disks.flatMap((disk, ordinal) => {
    const node = `disk${ordinal}`;
    const named = [`drive=${node}`, `bootindex=${ordinal}`, ...serialOf(disk, ordinal), ...sectorsOf(disk)];
    const place = (): string => {
      if (disk.controller === 'scsi') {
        if (next('scsi') === 0) adapters.push('-device', 'virtio-scsi-pci,id=scsi');
        return 'bus=scsi.0';
      }
      if (disk.controller === 'ide' || (disk.controller === 'cd' && old)) {
        const port = next('ide') % portsOfIde;
        return `bus=ide.${Math.floor(port / 2)},unit=${port % 2}`;
      }
      const port = next('ahci');
      if (port < portsOfAhci && !old) return `bus=ide.${port}`;
      const extra = Math.floor(port / portsOfAhci);
      if (port % portsOfAhci === 0) adapters.push('-device', `ich9-ahci,id=ahci${extra}`);
      return `bus=ahci${extra}.${port % portsOfAhci}`;
    };
    const device = {
      ahci: () => ['ide-hd', place(), ...named, ...wwnOf(disk)],
      ide: () => ['ide-hd', place(), ...named],
      cd: () => ['ide-cd', place(), `drive=${node}`, `bootindex=${ordinal}`],
      nvme: () => ['nvme', ...named],
      virtio: () => ['virtio-blk-pci', ...named],
      scsi: () => ['scsi-hd', place(), ...named, ...wwnOf(disk)],
    }[disk.controller]();
    return ['-blockdev', JSON.stringify(blockNode(disk, node)), '-device', device.join(',')];
  });
  return [...adapters, ...devices];
}

function blockNode({ source, controller }: MachineDisk, node: string): Record<string, unknown> {
  const access = controller === 'cd' ? { 'read-only': true } : { discard: 'unmap' };
  if (source.kind === 'file') {
    const file = { driver: 'file', filename: source.path, ...access };
    return { driver: 'raw', 'node-name': node, file, ...access };
  }
  const server = { type: 'unix', path: source.socket };
  return { driver: 'nbd', 'node-name': node, server, export: source.export, ...access };
}

/* A guest that names its disks by serial finds them. NVMe cannot do without one. */
function serialOf({ serial, controller }: MachineDisk, ordinal: number): string[] {
  const clean = (serial ?? '').replaceAll(/[^A-Za-z0-9._-]/g, '').slice(0, 20);
  if (clean === '') return controller === 'nvme' ? [`serial=DRILL${ordinal}`] : [];
  return [`serial=${clean}`];
}

function wwnOf({ wwn }: MachineDisk): string[] {
  const hex = /^(?:0x|naa\.)?([0-9a-f]{16})$/i.exec(wwn ?? '')?.[1];
  return hex === undefined ? [] : [`wwn=0x${hex}`];
}

/* Disks on IDE have sectors of 512 bytes, and so has everything else where nothing is said. */
function sectorsOf({ sectorSize, controller }: MachineDisk): string[] {
  if (sectorSize === 512 || controller === 'ahci' || controller === 'ide') return [];
  return [`logical_block_size=${sectorSize}`, `physical_block_size=${sectorSize}`];
}

/** How a disk of a set is best attached: as it was where a machine of QEMU can, else as nearly every guest can read it. */
export function controllerFor({ transport, sectorSize }: DiskIdentity): Controller {
  if (transport === 'nvme') return 'nvme';
  if (transport === 'virtio') return 'virtio';
  return sectorSize === 512 ? 'ahci' : 'scsi';
}

/** Partition types of an EFI system partition (UEFI 2.10, section 5.3.3 and table 5.3). */
const efiGuid = 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b';
const efiMbrType = 0xef;

/** The EFI system partitions of a table, in sectors. */
export function efiPartitionsOf(table: Table): { number: number; start: number; length: number }[] {
  if (table.kind === 'gpt') return table.partitions.filter(({ type }) => type === efiGuid);
  return table.kind === 'mbr' ? table.partitions.filter(({ type }) => type === efiMbrType) : [];
}

/**
 * The firmware a set is drilled under: the one its machine ran under; where that is not known BIOS, unless
 * there is an EFI system partition and no boot code for a BIOS.
 *
 * @param bootCodeBytes What the set keeps of the sectors before the first partitions.
 */
export function firmwareFor({ machine, disks }: Layout, bootCodeBytes: number): DrillFirmware {
  if (machine.firmware !== null) return machine.firmware;
  const efi = disks.some(({ table }) => efiPartitionsOf(table).length > 0);
  return efi && bootCodeBytes === 0 ? 'uefi' : 'bios';
}
