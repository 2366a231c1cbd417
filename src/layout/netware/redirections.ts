import { headerPlaces, unitSectors, unitSize, unitsOfTable } from './places.ts';
import { unitsIn, type HotfixHeader, type TableGroup } from './hotfix-header.ts';

/** Entry of a unit that cannot serve as a spare: it holds headers or tables, or is bad itself. */
export const unusableEntry = 0xffff_ffff;

/** A unit of the data that lives in the hotfix area, because its own sectors failed. */
export interface Redirection {
  /** Unit of the hotfix area that holds it now: sectors `spare * 8` on of the partition. */
  readonly spare: number;
  /** Its first logical sector, a multiple of 8. */
  readonly logical: number;
  /** Bit r: what stood in logical sector `logical + r` was lost when it moved. */
  readonly lost: number;
}

/** What the redirection and bad-bits tables of a partition say. */
export interface Redirections {
  /** Units of the hotfix area. */
  readonly units: number;
  /** By logical sector, no two of one unit or one spare. */
  readonly moved: readonly Redirection[];
  /** Units that cannot serve as spares, ascending. */
  readonly unusable: readonly number[];
}

/** Units of the hotfix area that hold headers or tables, ascending. */
export function reservedUnits(header: Pick<HotfixHeader, 'hotfixSectors' | 'tables'>): number[] {
  const held = new Set(headerPlaces.map((sector) => Math.floor(sector / unitSectors)));
  for (const { redirection, badBits } of header.tables) {
    for (const sector of [...redirection, ...badBits]) {
      held.add(Math.floor(sector / unitSectors));
      held.add(Math.floor((sector + unitSectors - 1) / unitSectors));
    }
  }
  return [...held].filter((unit) => unit < unitsIn(header.hotfixSectors)).toSorted((a, b) => a - b);
}

/** Units that can still take what fails elsewhere, ascending. Unit 0 holds the stamp and never can. */
export function freeSpares(
  redirections: Redirections,
  header: Pick<HotfixHeader, 'hotfixSectors' | 'tables'>,
): number[] {
  const taken = new Set([
    0,
    ...reservedUnits(header),
    ...redirections.unusable,
    ...redirections.moved.map(({ spare }) => spare),
  ]);
  return Array.from({ length: redirections.units }, (_, unit) => unit).filter((unit) => !taken.has(unit));
}

/** Logical sectors whose contents were lost before they were moved, ascending. */
export function lostSectors(redirections: Redirections): number[] {
  return redirections.moved.flatMap(({ logical, lost }) =>
    Array.from({ length: unitSectors }, (_, r) => r)
      .filter((r) => (lost & (1 << r)) !== 0)
      .map((r) => logical + r),
  );
}

/** The two tables of one group as they go on the disk, each 4096 bytes; entries beyond the area are 0. */
export function encodeTables(
  redirections: Redirections,
  group: number,
): { readonly redirection: Buffer; readonly badBits: Buffer } {
  const redirection = Buffer.alloc(unitSize);
  const badBits = Buffer.alloc(unitSize);
  const first = group * unitsOfTable;
  const inside = (unit: number): boolean => unit >= first && unit < first + unitsOfTable;
  for (const unit of redirections.unusable.filter(inside)) {
    redirection.writeUInt32LE(unusableEntry, (unit - first) * 4);
    badBits.writeUInt32LE(unusableEntry, (unit - first) * 4);
  }
  for (const { spare, logical, lost } of redirections.moved) {
    if (!inside(spare)) continue;
    redirection.writeUInt32LE(logical, (spare - first) * 4);
    badBits.writeUInt32LE(lost, (spare - first) * 4);
  }
  return { redirection, badBits };
}

/** Where the four tables of a group go, in the order in which they are written. */
export function tablesInOrder(
  group: TableGroup,
): { readonly sector: number; readonly kind: 'redirection' | 'badBits'; readonly copy: 1 | 2 }[] {
  return [
    { sector: group.badBits[0], kind: 'badBits', copy: 1 },
    { sector: group.redirection[0], kind: 'redirection', copy: 1 },
    { sector: group.badBits[1], kind: 'badBits', copy: 2 },
    { sector: group.redirection[1], kind: 'redirection', copy: 2 },
  ];
}

/** The entries of a table: 1024 numbers. */
export function entriesOf(table: Buffer): number[] {
  return Array.from({ length: unitsOfTable }, (_, index) => table.readUInt32LE(index * 4));
}

/** Redirections from settled entries, one a unit; what was lost comes from the bad-bits entries. */
export function redirectionsFrom(
  units: number,
  entries: readonly number[],
  badBits: readonly number[],
): Redirections {
  const moved: Redirection[] = [];
  const unusable: number[] = [];
  for (let unit = 0; unit < units; unit++) {
    const entry = entries[unit] ?? 0;
    if (entry === unusableEntry) unusable.push(unit);
    else if (entry !== 0) moved.push({ spare: unit, logical: entry, lost: (badBits[unit] ?? 0) & 0xff });
  }
  return { units, moved: moved.toSorted((a, b) => a.logical - b.logical), unusable };
}
