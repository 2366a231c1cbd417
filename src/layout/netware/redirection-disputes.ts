import type { BlockDevice } from '../../disk/block-device.ts';
import { isZero, readSectors } from '../fields.ts';
import type { HotfixHeader } from './hotfix-header.ts';
import { warning, type NetwareNotice } from './notice.ts';
import { unitSectors, unitsOfTable } from './places.ts';
import { unusableEntry } from './redirections.ts';

/** What the copies of the tables of one partition are judged by. */
export interface TableContext {
  readonly device: BlockDevice;
  readonly header: HotfixHeader;
  readonly reserved: ReadonlySet<number>;
  /** Spares that some copy says hold a unit, by its logical sector. */
  readonly named: Map<number, Set<number>>;
  /** Spares that both copies, or the only one that can be read, say hold a unit. */
  readonly agreed: Map<number, Set<number>>;
  readonly notices: NetwareNotice[];
}

/** Notes which spares the two copies of a table name, for `settleSound`. */
export function nameSpares(
  { named, agreed }: TableContext,
  group: number,
  first: readonly number[] | null,
  second: readonly number[] | null,
): void {
  for (let index = 0; index < unitsOfTable; index++) {
    const unit = group * unitsOfTable + index;
    const [one, two] = [first?.[index] ?? second?.[index] ?? 0, second?.[index] ?? first?.[index] ?? 0];
    for (const entry of [one, two]) if (isMoved(entry)) addSpare(named, entry, unit);
    if (one === two && isMoved(one)) addSpare(agreed, one, unit);
  }
}

function addSpare(spares: Map<number, Set<number>>, logical: number, unit: number): void {
  spares.set(logical, (spares.get(logical) ?? new Set()).add(unit));
}

/** What two copies of a table say that are both possible and differ; the rule is told at `readRedirections`. */
export async function settleSound(
  context: TableContext,
  group: number,
  first: readonly number[],
  second: readonly number[],
): Promise<number[]> {
  const settled: number[] = [];
  let contradictions = 0;
  for (const [index, one] of first.entries()) {
    const two = second[index]!;
    const unit = group * unitsOfTable + index;
    if (one === two) settled.push(one);
    else if (isMoved(one) && isMoved(two)) {
      contradictions++;
      settled.push(await likelier(context, unit, one, two));
    } else if (!isMoved(one) && !isMoved(two)) {
      // Free in one, unusable in the other: a spare is tried before it is trusted, so free does no harm.
      settled.push(0);
    } else {
      const [logical, other] = isMoved(one) ? [one, two] : [two, one];
      const real =
        other === unusableEntry
          ? !isElsewhere(context.named, unit, logical)
          : await isBorneOut(context, unit, logical);
      settled.push(real ? logical : other);
    }
  }
  const differing = first.filter((entry, index) => entry !== second[index]).length;
  context.notices.push(
    warning(
      'netware-copies-tied',
      `The two copies of redirection table ${group + 1} differ in ${differing} entries${contradictions > 0 ? `, ${contradictions} of which name different sectors` : ''}; what the data bears out was taken.`,
      { what: 'redirection table', group, differing, contradictions },
    ),
  );
  return settled;
}

function isElsewhere(
  spares: ReadonlyMap<number, ReadonlySet<number>>,
  unit: number,
  logical: number,
): boolean {
  return [...(spares.get(logical) ?? [])].some((other) => other !== unit);
}

async function likelier(context: TableContext, unit: number, one: number, two: number): Promise<number> {
  const elsewhere = isElsewhere(context.agreed, unit, one);
  if (elsewhere !== isElsewhere(context.agreed, unit, two)) return elsewhere ? two : one;
  return (await isReadable(context, one)) && !(await isReadable(context, two)) ? two : one;
}

function isMoved(entry: number): boolean {
  return entry !== 0 && entry !== unusableEntry;
}

/**
 * Whether a redirection that only one copy knows is real: nobody doubts another spare for that unit, and
 * the data's own sectors cannot be read or the spare holds something. A spare that was never used holds zeros on a disk that was formatted for NetWare.
 */
async function isBorneOut(context: TableContext, unit: number, logical: number): Promise<boolean> {
  if (isElsewhere(context.agreed, unit, logical)) return false;
  const spare = await readSectors(context.device, unit * unitSectors, unitSectors);
  if (spare === null) return false;
  if (!isZero(spare)) return true;
  return !(await isReadable(context, logical));
}

/** Whether a unit of the data can be read where it was before it moved, if it did. */
async function isReadable({ device, header }: TableContext, logical: number): Promise<boolean> {
  const count = Math.min(unitSectors, header.dataSectors - logical);
  return (await readSectors(device, header.hotfixSectors + logical, count)) !== null;
}
