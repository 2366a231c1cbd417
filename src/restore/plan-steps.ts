import { tableWrites, type DiskLayout, type Volume } from '../layout/index.ts';
import { growers, type Arrangement } from './plan-arrangement.ts';
import { digestOfBytes, type EfiStep, type GrowStep, type TableStep } from './plan-document.ts';
import type { PlanInput, TargetDisk } from './request.ts';

/** Partition types of an EFI system partition (UEFI 2.10, section 5.3.3 and table 5.3). */
const efiGuid = 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b';
const efiMbrType = 0xef;

/** One source disk and where it goes. */
export interface Journey {
  readonly disk: DiskLayout;
  readonly target: TargetDisk;
  readonly volumes: readonly Volume[];
  readonly arrangement: Arrangement;
}

/** The step that makes a file system fill its larger partition, where one does. */
export function growSteps({ disk, arrangement }: Journey): GrowStep[] {
  const { grown } = arrangement;
  if (grown === null) return [];
  const type = grown.volume.filesystem!.type;
  return [
    {
      kind: 'grow',
      volume: grown.volume.id,
      name: grown.volume.name,
      filesystem: type,
      by: growers[type]!,
      disk: disk.id,
      start: grown.start,
      count: grown.count,
      oldCount: grown.volume.segments[0]!.length,
      ...(grown.fat === null ? {} : { fat: grown.fat }),
    },
  ];
}

/** The bytes of sector 0 that belong to the table and are left to it. */
export function tablePlaces(
  boot: Volume,
  journeys: readonly Journey[],
): { offset: number; length: number }[] {
  const journey = journeys.find(({ disk }) => boot.segments.some((segment) => segment.disk === disk.id))!;
  return tableWrites(journey.arrangement.table, journey.target.identity)
    .filter((write) => write.offset < journey.target.identity.sectorSize)
    .map((write) => ({ offset: write.offset, length: write.bytes.length }));
}

/** The steps that write the partition table of a target. */
export function tableSteps({ disk, target, arrangement }: Journey): TableStep[] {
  const { sectorSize } = target.identity;
  return tableWrites(arrangement.table, target.identity).map(({ offset, bytes, what }) => {
    const start = Math.floor(offset / sectorSize);
    return {
      kind: 'table',
      disk: disk.id,
      start,
      count: Math.ceil((offset + bytes.length) / sectorSize) - start,
      what,
      offset,
      length: bytes.length,
      digest: digestOfBytes(bytes),
    };
  });
}

/** The steps that make the EFI system partitions of a disk bootable, where their contents come back. */
export function efiSteps(
  { disk, volumes, arrangement }: Journey,
  { input, selected }: { readonly input: PlanInput; readonly selected: ReadonlySet<string> },
): EfiStep[] {
  const { table } = arrangement;
  if (table.kind === 'none') return [];
  const numbers = new Set(
    table.kind === 'gpt'
      ? table.partitions.filter((part) => part.type === efiGuid).map((part) => part.number)
      : table.partitions.filter((part) => part.type === efiMbrType).map((part) => part.number),
  );
  return volumes
    .filter((volume) => selected.has(volume.id) && volume.partition !== null && numbers.has(volume.partition))
    .map((volume): EfiStep => {
      const [segment] = volume.segments;
      return {
        kind: 'efi',
        volume: volume.id,
        disk: disk.id,
        partition: volume.partition!,
        start: arrangement.moved(segment!.start),
        count: segment!.length,
        fallback: true,
        bootEntry: input.firmware === 'uefi' && input.wishes.bootEntry,
      };
    });
}
