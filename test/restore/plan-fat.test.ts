import test from 'ava';
import { RemetalError } from '../../src/errors/index.ts';
import { parseBootSector } from '../../src/filesystem/fat/boot.ts';
import type { MbrTable, Table } from '../../src/layout/index.ts';
import { describePlan } from '../../src/restore/plan-description.ts';
import { grownMbrType } from '../../src/restore/plan-fat.ts';
import { parsePlan, type GrowStep, type Plan } from '../../src/restore/plan-document.ts';
import { plan } from '../../src/restore/plan.ts';
import { inputOf, target } from './plan-inputs.ts';

const MiB = 1024 * 1024;
const GiB = 1024 * MiB;
/** Sectors of a MiB. */
const M = 2048;

interface BootFacts {
  readonly kind: 12 | 16 | 32;
  readonly sectors: number;
  readonly perCluster: number;
  readonly fatSectors: number;
  readonly code?: string;
  readonly dirty?: boolean;
}

/** The first 64 KiB of a FAT, as a formatter writes them. */
function fatStart({ kind, sectors, perCluster, fatSectors, code = '', dirty = false }: BootFacts): Buffer {
  const start = Buffer.alloc(65_536);
  const wide = kind === 32;
  const reserved = wide ? 32 : 1;
  start.set([0xeb, wide ? 0x58 : 0x3c, 0x90]);
  start.write('MSDOS5.0', 3, 'latin1');
  start.writeUInt16LE(512, 11);
  start.set([perCluster, reserved, 0, 2], 13);
  start.writeUInt16LE(wide ? 0 : 512, 17);
  start.writeUInt8(0xf8, 21);
  start.writeUInt16LE(wide ? 0 : fatSectors, 22);
  start.writeUInt32LE(sectors, 32);
  if (wide) {
    start.writeUInt32LE(fatSectors, 36);
    start.writeUInt32LE(2, 44);
    start.set([1, 0, 6, 0], 48);
  }
  start.writeUInt8(0x29, wide ? 66 : 38);
  start.write(code, wide ? 90 : 62, 'latin1');
  start.set([0x55, 0xaa], 510);
  const clean = dirty ? 0x0f_ff_7f_ff : 0x0f_ff_ff_ff;
  if (kind === 12) start.set([0xf8, 0xff, 0xff], reserved * 512);
  else if (wide) {
    start.writeUInt32LE(0x0f_ff_ff_f8, reserved * 512);
    start.writeUInt32LE(dirty ? 0x07_ff_ff_ff : clean, reserved * 512 + 4);
  } else {
    start.writeUInt16LE(0xff_f8, reserved * 512);
    start.writeUInt16LE(clean & 0xff_ff, reserved * 512 + 2);
  }
  if (parseBootSector(start)?.kind !== kind) throw new Error('the boot sector of the test is none');
  return start;
}

const dos = { kind: 16, sectors: 50 * M, perCluster: 4, fatSectors: 100 } as const;

function mbr(type: number): MbrTable {
  return {
    kind: 'mbr',
    diskSignature: 7,
    partitions: [
      { number: 1, start: 63, length: 50 * M, type, active: true },
      { number: 2, start: 60 * M, length: 900 * M, type: 0x65, active: false },
    ],
  };
}

interface Wanted {
  readonly table?: Table;
  readonly size?: number;
  readonly fat32?: boolean;
  readonly start?: Buffer;
  readonly type?: string;
}

function planned({ table = mbr(6), size = 4 * GiB, fat32, start, type = 'fat16' }: Wanted): Plan {
  const input = inputOf({
    table,
    size: GiB,
    types: { 'disk1.part1': type },
    targets: [target({ size })],
    wishes: { grow: 'disk1.part1', ...(fat32 === undefined ? {} : { fat32 }) },
  });
  return plan({ ...input, starts: new Map(start === undefined ? [] : [['disk1.part1', start]]) });
}

function growth(made: Plan): GrowStep {
  const step = made.steps.find(({ kind }) => kind === 'grow');
  if (step?.kind !== 'grow') throw new Error('nothing grows');
  return step;
}

const codes = (made: Plan): string[] => made.notices.map(({ code }) => code);

test('a DOS partition takes the room its kind can use, and what is behind moves', (t) => {
  const start = fatStart({ ...dos, code: 'code of DOS' });
  const made = planned({ start, size: GiB + 300 * MiB });
  const step = growth(made);
  // The disk had 64 MiB behind the last partition.
  const extra = 300 * M + 64 * M;
  t.like(step, { by: 'fat', start: 63, oldCount: 50 * M, count: 50 * M + extra });
  t.deepEqual(step.fat, {
    type: 'fat16',
    blockSize: 8192,
    size: (50 * M + extra) * 512,
    fat32: false,
    hidden: 63,
    geometry: { heads: 255, sectorsPerTrack: 63 },
  });
  t.deepEqual(codes(made), ['volume-grows', 'fat-clusters', 'partitions-moved']);
  t.deepEqual(parsePlan(JSON.parse(JSON.stringify(made))), made);
  t.true(describePlan(made).some((line) => /fat16, laid out anew as fat16, clusters of 8.* KiB/.test(line)));
});

test('with boot code FAT16 ends at 2 GiB, and the partition too; the wish makes it FAT32', (t) => {
  const start = fatStart({ ...dos, code: 'code of DOS' });
  const made = planned({ start, size: 8 * GiB });
  const { fat, count } = growth(made);
  t.like(fat, { type: 'fat16', blockSize: 32_768 });
  t.true(count * 512 <= 2 * GiB && count * 512 > 2 * GiB - 3 * MiB);
  t.true(count * 512 - fat!.size < MiB && count * 512 >= fat!.size);
  t.deepEqual(codes(made), ['volume-grows', 'fat-clusters', 'fat-limit', 'partitions-moved']);
  t.regex(made.notices[2]!.message, /--fat32/);
  const [first, second] = made.targets[0]!.table.kind === 'mbr' ? made.targets[0]!.table.partitions : [];
  t.is(first!.type, 6);
  t.is(second!.start, 60 * M + count - 50 * M);

  const wide = planned({ start, size: 8 * GiB, fat32: true });
  t.like(growth(wide).fat, { type: 'fat32', blockSize: 2048, fat32: true });
  t.deepEqual(codes(wide), ['volume-grows', 'fat-kind', 'partitions-moved']);
  t.is(wide.notices[1]!.level, 'warning');
  const { table } = wide.targets[0]!;
  t.is(table.kind === 'mbr' ? table.partitions[0]!.type : 0, 0x0b);
  t.not(wide.hash, made.hash);
});

test('without boot code the kind changes where the size demands it', (t) => {
  const made = planned({ start: fatStart(dos), size: 8 * GiB });
  t.like(growth(made).fat, { type: 'fat32', blockSize: 2048 });
  t.is(made.notices.find(({ code }) => code === 'fat-kind')?.level, 'info');
  t.like(growth(planned({ start: fatStart(dos), size: 2 * GiB })).fat, { type: 'fat16', blockSize: 32_768 });
});

test('a boot sector without the fields of DOS 4 counts no more than 65535 sectors', (t) => {
  for (const spoil of [
    (start: Buffer) => start.writeUInt8(0, 38),
    // The jump leads into what would be those fields: a signature there is code.
    (start: Buffer) => start.writeUInt8(0x1c, 1),
  ]) {
    const start = fatStart({ ...dos, sectors: 50_000, perCluster: 2, fatSectors: 98, code: 'code of DOS' });
    start.writeUInt16LE(50_000, 19);
    start.fill(0x5a, 32, 36);
    spoil(start);
    const small: MbrTable = { ...mbr(4), partitions: [{ ...mbr(4).partitions[0]!, length: 50_176 }] };
    const made = planned({ table: small, start });
    t.is(growth(made).fat!.size, 65_535 * 512);
    t.true(codes(made).includes('fat-limit'));
  }
});

test('a type of DOS follows the size, a type of something else stays', (t) => {
  for (const [old, facts, wanted] of [
    [0x01, { kind: 12, start: 63, count: 60_000 }, 0x01],
    [0x01, { kind: 12, start: 63, count: 70_000 }, 0x06],
    [0x01, { kind: 16, start: 63, count: 60_000 }, 0x04],
    [0x04, { kind: 16, start: 63, count: 70_000 }, 0x06],
    [0x06, { kind: 16, start: 63, count: 70_000 }, 0x06],
    [0x0e, { kind: 16, start: 63, count: 70_000 }, 0x0e],
    [0x06, { kind: 32, start: 63, count: 9_000_000 }, 0x0b],
    [0x06, { kind: 32, start: 63, count: 20_000_000 }, 0x0c],
    [0x0e, { kind: 32, start: 63, count: 9_000_000 }, 0x0c],
    [0x0c, { kind: 32, start: 63, count: 9_000_000 }, 0x0c],
    [0x14, { kind: 16, start: 63, count: 70_000 }, 0x16],
    [0xef, { kind: 32, start: 63, count: 70_000 }, 0xef],
    [0x12, { kind: 16, start: 63, count: 70_000 }, 0x12],
  ] as const) {
    t.is(grownMbrType(old, facts), wanted, `${old.toString(16)} ${facts.kind} ${facts.count}`);
  }
});

test('what must not grow is refused, what cannot keeps its size and says why', (t) => {
  const refused = (wanted: Wanted): RemetalError => t.throws<RemetalError>(() => planned(wanted));
  const syslinux = fatStart(dos);
  syslinux.write('SYSLINUX', 3, 'latin1');
  const grub = fatStart({ ...dos, code: 'code \0GRUB \0Geom\0Hard Disk' });
  for (const wanted of [{ start: syslinux }, { start: grub }, {}, { start: Buffer.alloc(65_536) }]) {
    t.is(refused(wanted).code, 'grow-impossible');
  }
  // A name is no loader.
  const named = fatStart({ ...dos, code: 'code of DOS' });
  named.write('GRUB BOOT  ', 43, 'latin1');
  t.true(codes(planned({ start: named })).includes('volume-grows'));
  const dirty = planned({ start: fatStart({ ...dos, dirty: true }) });
  t.deepEqual(codes(dirty), ['left-as-is']);
  t.is(dirty.notices[0]!.level, 'warning');
  t.false(dirty.steps.some(({ kind }) => kind === 'grow'));
  const { table } = dirty.targets[0]!;
  t.is(table.kind === 'mbr' ? table.partitions[0]!.length : 0, 50 * M);
});

test('a logical drive keeps its count of hidden sectors, a GPT its geometry', (t) => {
  const start = fatStart(dos);
  const logical: MbrTable = {
    kind: 'mbr',
    diskSignature: 7,
    partitions: [
      { number: 1, start: M, length: 60 * M, type: 0x05, active: false },
      { number: 5, start: 2 * M, length: 50 * M, type: 6, active: false, ebr: M },
    ],
  };
  const input = inputOf({
    table: logical,
    size: GiB,
    types: { 'disk1.part5': 'fat16' },
    targets: [target({ size: 2 * GiB })],
    wishes: { grow: 'disk1.part5' },
  });
  const made = plan({ ...input, starts: new Map([['disk1.part5', start]]) });
  t.like(growth(made).fat, { hidden: null, geometry: null });

  const gpt: Table = {
    kind: 'gpt',
    diskGuid: 'aaaaaaaa-0000-0000-0000-000000000001',
    entryCount: 128,
    entrySize: 128,
    firstUsable: 34,
    lastUsable: GiB / 512 - 34,
    partitions: [
      {
        number: 1,
        start: M,
        length: 50 * M,
        type: 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b',
        guid: 'bbbbbbbb-0000-0000-0000-000000000001',
        name: '',
        attributes: '0'.repeat(16),
      },
    ],
    protectiveMbr: '00'.repeat(66),
  };
  t.like(growth(planned({ table: gpt, start, size: 2 * GiB })).fat, { hidden: M, geometry: null });
});

test('last never takes a FAT', (t) => {
  const input = inputOf({
    table: mbr(6),
    size: GiB,
    types: { 'disk1.part1': 'fat16', 'disk1.part2': 'fat16' },
    targets: [target({ size: 2 * GiB })],
  });
  t.false(plan(input).steps.some(({ kind }) => kind === 'grow'));
});
