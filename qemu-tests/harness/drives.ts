import { writeFileSync } from 'node:fs';

/** The controllers a disk can be attached to; each is another driver in the guest. */
export type Controller =
  | 'virtio-blk'
  | 'virtio-scsi'
  | 'ahci'
  | 'nvme'
  | 'lsi'
  | 'mptsas'
  | 'megasas'
  | 'usb';

export interface Drive {
  /** Image file, raw or qcow2. */
  readonly file: string;
  readonly format: 'raw' | 'qcow2';
  readonly controller: Controller | 'cd';
  /** What the guest reads as the disk's serial. */
  readonly serial?: string;
  /** World wide name, where the controller carries one. */
  readonly wwn?: string;
  /** Place in the firmware's boot order, from 0; absent: not booted from. */
  readonly boot?: number;
  /** Writes go nowhere, and the image stays as it is. */
  readonly discardWrites?: boolean;
  /** Every write that touches one of these sectors of 512 bytes fails, now and ever after. Raw images only. */
  readonly failingSectors?: readonly number[];
}

/** What QEMU calls the optical drive. */
export const opticalDrive = 'optical';

const hostAdapters: Partial<Record<Controller | 'cd', string>> = {
  'virtio-scsi': 'virtio-scsi-pci,id=hba-virtio-scsi',
  lsi: 'lsi53c895a,id=hba-lsi',
  mptsas: 'mptsas1068,id=hba-mptsas',
  megasas: 'megasas,id=hba-megasas',
  usb: 'qemu-xhci,id=hba-usb',
};

function deviceOf(drive: Drive, ordinal: number, sataPort: () => number): string {
  const named = [
    `drive=d${ordinal}`,
    ...(drive.serial === undefined ? [] : [`serial=${drive.serial}`]),
    ...(drive.boot === undefined ? [] : [`bootindex=${drive.boot}`]),
  ];
  const withWwn = drive.wwn === undefined ? named : [...named, `wwn=0x${drive.wwn}`];
  const kinds: Record<Controller | 'cd', () => string[]> = {
    'virtio-blk': () => ['virtio-blk-pci', ...named],
    'virtio-scsi': () => ['scsi-hd', 'bus=hba-virtio-scsi.0', ...withWwn],
    lsi: () => ['scsi-hd', 'bus=hba-lsi.0', ...withWwn],
    mptsas: () => ['scsi-hd', 'bus=hba-mptsas.0', ...withWwn],
    megasas: () => ['scsi-hd', 'bus=hba-megasas.0', ...withWwn],
    ahci: () => ['ide-hd', `bus=ide.${sataPort()}`, ...withWwn],
    cd: () => ['ide-cd', `id=${opticalDrive}`, `bus=ide.${sataPort()}`, ...named],
    nvme: () => ['nvme', ...named],
    usb: () => ['usb-storage', 'bus=hba-usb.0', 'removable=on', ...named],
  };
  return kinds[drive.controller]().join(',');
}

/* NVMe wants a serial; a SAS disk without a world wide name is never seen by the driver. */
function identified(drive: Drive, ordinal: number): Drive {
  if (drive.controller === 'nvme') return { ...drive, serial: drive.serial ?? `NVME${ordinal}` };
  if (drive.controller === 'mptsas') return { ...drive, wwn: drive.wwn ?? `5000c50015ea71a${ordinal}` };
  return drive;
}

function failingRule(sector: number): string {
  return `[inject-error]\nevent = "write_aio"\niotype = "write"\nerrno = "5"\nsector = "${sector}"\n`;
}

/* QEMU's blkdebug fails what its rules name; they are read from a file. */
function fileOf({ file, failingSectors }: Drive): string[] {
  if (failingSectors === undefined) return [`file=${file}`];
  const rules = `${file}.faults`;
  writeFileSync(rules, failingSectors.map(failingRule).join('\n'));
  return [
    'file.driver=blkdebug',
    `file.config=${rules}`,
    'file.image.driver=file',
    `file.image.filename=${file}`,
  ];
}

/** QEMU's arguments for a set of drives on a q35 machine, whose own AHCI controller has six ports. */
export function driveArguments(drives: readonly Drive[]): string[] {
  const kinds = [...new Set(drives.map((drive) => drive.controller))];
  const adapters = kinds.flatMap((kind) => {
    const adapter = hostAdapters[kind];
    return adapter === undefined ? [] : ['-device', adapter];
  });
  let port = 0;
  const nextPort = (): number => port++;
  const attached = drives.flatMap((drive, ordinal) => [
    '-drive',
    [
      ...fileOf(drive),
      `format=${drive.format}`,
      `id=d${ordinal}`,
      'if=none',
      'discard=unmap',
      drive.controller === 'cd'
        ? 'media=cdrom,readonly=on'
        : `snapshot=${drive.discardWrites ? 'on' : 'off'}`,
    ].join(','),
    '-device',
    deviceOf(identified(drive, ordinal), ordinal, nextPort),
  ]);
  return [...adapters, ...attached];
}
