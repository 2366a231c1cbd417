/**
 * The controllers a tape unit can be attached to; each is another driver in the guest. QEMU's megasas is not one:
 * it makes logical drives of what is attached, and lets no command of tapes through.
 */
export type TapeController = 'virtio-scsi' | 'mptsas' | 'lsi' | 'uas';

/** A tape drive or a changer of an iSCSI target, as the guest's own SCSI device. */
export interface TapeUnit {
  /** `iscsi://host:port/target/lun`. */
  readonly url: string;
  /** `virtio-scsi` when absent. */
  readonly controller?: TapeController;
}

const adapters: Record<TapeController, readonly string[]> = {
  'virtio-scsi': ['virtio-scsi-pci,id=hba-tape-virtio-scsi'],
  mptsas: ['mptsas1068,id=hba-tape-mptsas'],
  lsi: ['lsi53c895a,id=hba-tape-lsi'],
  uas: ['qemu-xhci,id=usb-tape', 'usb-uas,bus=usb-tape.0,id=hba-tape-uas'],
};

/**
 * QEMU's arguments for tape units: QEMU logs in to the target and hands every command on as it is. Units are
 * numbered on their controller in the order given, so that the guest meets them in it.
 */
export function tapeArguments(units: readonly TapeUnit[]): string[] {
  const placed = units.map((unit) => ({ url: unit.url, controller: unit.controller ?? 'virtio-scsi' }));
  const controllers = [...new Set(placed.map(({ controller }) => controller))];
  return [
    ...controllers.flatMap((controller) => adapters[controller].flatMap((adapter) => ['-device', adapter])),
    ...placed.flatMap(({ url, controller }, ordinal) => {
      // A UAS device is one target with many units; on the others each unit is a target.
      const address = controller === 'uas' ? `lun=${ordinal}` : `scsi-id=${ordinal}`;
      return [
        '-drive',
        `file=${url},if=none,format=raw,id=t${ordinal}`,
        '-device',
        `scsi-generic,drive=t${ordinal},bus=hba-tape-${controller}.0,${address}`,
      ];
    }),
  ];
}
