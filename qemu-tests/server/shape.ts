/** Size of the original server's disk. */
export const serverBytes = 3 * 2 ** 30;

/** Everything the server is found by; the same in every build, so that logs can be compared. */
export const uuids = {
  disk: '6B1F0C52-1B0E-4A5C-9D8E-0D5C0A3E7A01',
  /** A FAT volume serial, as /dev/disk/by-uuid writes it. */
  esp: '5A17-C0DE',
  boot: '7f1e2a54-95c4-4b3b-8d5a-3a8a8d3c1b02',
  swap: '7f1e2a54-95c4-4b3b-8d5a-3a8a8d3c1b03',
  root: '7f1e2a54-95c4-4b3b-8d5a-3a8a8d3c1b04',
} as const;

const linux = '0FC63DAF-8483-4772-8E79-3D69D8477DE4';

/* Sectors of 512 bytes. The root is last, so that it can grow; the last 34 sectors hold the second GPT. */
const rootStart = 806912;

/** The server's partitions. Types: UEFI specification table 5-7, "Discoverable Partitions Specification". */
export const partitions = {
  bios: {
    start: 2048,
    sectors: 2048,
    type: '21686148-6449-6E6F-744E-656564454649',
    uuid: '6B1F0C52-1B0E-4A5C-9D8E-0D5C0A3E7A11',
  },
  esp: {
    start: 4096,
    sectors: 131072,
    type: 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B',
    uuid: '6B1F0C52-1B0E-4A5C-9D8E-0D5C0A3E7A12',
  },
  boot: { start: 135168, sectors: 409600, type: linux, uuid: '6B1F0C52-1B0E-4A5C-9D8E-0D5C0A3E7A13' },
  swap: {
    start: 544768,
    sectors: 262144,
    type: '0657FD6D-A4AB-43C4-84E5-0933C84B4F4F',
    uuid: '6B1F0C52-1B0E-4A5C-9D8E-0D5C0A3E7A14',
  },
  root: {
    start: rootStart,
    sectors: serverBytes / 512 - 2048 - rootStart,
    type: linux,
    uuid: '6B1F0C52-1B0E-4A5C-9D8E-0D5C0A3E7A15',
  },
} as const;

export type PartitionName = keyof typeof partitions;

/** Stands in every file the server deleted; it must be on the original disk and nowhere else. */
export const deletedMarker = 'REMETAL-DELETED-MARKER';
