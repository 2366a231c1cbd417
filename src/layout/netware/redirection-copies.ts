import type { BlockDevice } from '../../disk/block-device.ts';
import { readSectors } from '../fields.ts';
import { unitsIn, type HotfixHeader, type TableGroup } from './hotfix-header.ts';
import { remark, warning, type NetwareNotice } from './notice.ts';
import { unitSectors, unitsOfTable } from './places.ts';
import { nameSpares, settleSound, type TableContext } from './redirection-disputes.ts';
import {
  entriesOf,
  lostSectors,
  redirectionsFrom,
  reservedUnits,
  unusableEntry,
  type Redirections,
} from './redirections.ts';

/**
 * The redirections of a partition from both copies of their tables. Where the copies differ, in this order:
 *
 * 1. a copy that cannot be read or says what cannot be loses against one that can and does not;
 * 2. a unit that only one copy calls moved is, when the data bears it out (`isBorneOut`), or when the
 *    other calls the spare unusable and nothing says where else the unit went;
 * 3. of two different units in one spare, the one that is said to be nowhere else, else the one that
 *    cannot be read at its own place, else that of the first copy.
 *
 * Where no copy is sound, only entries that both say alike are believed, and the warning says so.
 *
 * @param device The whole partition.
 */
export async function readRedirections(
  device: BlockDevice,
  header: HotfixHeader,
): Promise<{ redirections: Redirections; notices: NetwareNotice[] }> {
  const notices: NetwareNotice[] = [];
  const reserved = new Set(reservedUnits(header));
  const context: TableContext = { device, header, reserved, named: new Map(), agreed: new Map(), notices };
  const entries: number[] = [];
  const badBits: number[] = [];
  const copies: [first: number[] | null, second: number[] | null][] = [];
  for (const [group, { redirection }] of header.tables.entries()) {
    const [first, second] = [await tableAt(device, redirection[0]), await tableAt(device, redirection[1])];
    copies.push([first, second]);
    nameSpares(context, group, first, second);
  }
  for (const [group, tables] of header.tables.entries()) {
    entries.push(...(await settleRedirections(context, group, tables, copies[group]!)));
    badBits.push(...(await settleBadBits(context, group, tables)));
  }
  dropDoubled(entries, notices);
  const redirections = redirectionsFrom(unitsIn(header.hotfixSectors), entries, badBits);
  notices.push(...told(redirections));
  return { redirections, notices };
}

async function tableAt(device: BlockDevice, sector: number): Promise<number[] | null> {
  const bytes = await readSectors(device, sector, unitSectors);
  return bytes === null ? null : entriesOf(bytes);
}

async function settleRedirections(
  context: TableContext,
  group: number,
  tables: TableGroup,
  [first, second]: readonly [number[] | null, number[] | null],
): Promise<number[]> {
  const { notices } = context;
  const [at1, at2] = tables.redirection;
  const fault1 = tableFault(context, group, first);
  const fault2 = tableFault(context, group, second);
  if (first !== null && second !== null && isSame(first, second)) {
    if (fault1 === null || fault1.kind === 'reserved') return first;
    notices.push(unsound(group, fault1.words, fault1.words));
    return first.map((entry, index) =>
      entryFault(context, group, index, entry) === null ? entry : unusableEntry,
    );
  }
  const [rank1, rank2] = [rankOf(fault1), rankOf(fault2)];
  if (first !== null && second !== null && rank1 === rank2 && rank1 < unusableRank) {
    return await settleSound(context, group, first, second);
  }
  const taken = rank1 <= rank2 ? first : second;
  if (taken === null || Math.min(rank1, rank2) >= unusableRank) {
    notices.push(unsound(group, fault1?.words ?? 'is sound', fault2?.words ?? 'is sound'));
    return Array.from({ length: unitsOfTable }, (_, index) => {
      const entry = first?.[index];
      const agreed = entry !== undefined && entry === second?.[index];
      return agreed && entryFault(context, group, index, entry) === null ? entry : unusableEntry;
    });
  }
  const [sector, why] = taken === first ? [at2, fault2?.words] : [at1, fault1?.words];
  notices.push(
    warning(
      'netware-copy-damaged',
      `The copy of redirection table ${group + 1} at sector ${sector} ${why}; the other copy was taken.`,
      { what: 'redirection table', group, sector, why },
    ),
  );
  return taken;
}

const unusableRank = 2;

/* Missing marks alone make a copy worse than one that has them, and still one to go by: servers may not set them. */
function rankOf(fault: TableFault | null): number {
  if (fault === null) return 0;
  return fault.kind === 'reserved' ? 1 : unusableRank;
}

function isSame(first: readonly number[], second: readonly number[]): boolean {
  return first.every((entry, index) => entry === second[index]);
}

function unsound(group: number, first: string, second: string): NetwareNotice {
  return warning(
    'netware-copy-damaged',
    `No copy of redirection table ${group + 1} is sound: the first ${first}, the second ${second}. Only what both say alike was followed; sectors that were moved may read as they were before.`,
    { what: 'redirection table', group, first, second },
  );
}

interface TableFault {
  /** `reserved`: only the marks on units that hold headers and tables are missing. */
  readonly kind: 'unread' | 'entry' | 'doubled' | 'reserved';
  readonly words: string;
}

function tableFault(
  context: TableContext,
  group: number,
  table: readonly number[] | null,
): TableFault | null {
  if (table === null) return { kind: 'unread', words: 'cannot be read' };
  const seen = new Set<number>();
  for (const [index, entry] of table.entries()) {
    const words = entryFault(context, group, index, entry);
    if (words !== null) return { kind: 'entry', words };
    if (entry === 0 || entry === unusableEntry) continue;
    if (seen.has(entry)) return { kind: 'doubled', words: `moves logical sector ${entry} twice` };
    seen.add(entry);
  }
  const first = group * unitsOfTable;
  const unmarked = [...context.reserved].find(
    (unit) => unit >= first && unit < first + unitsOfTable && table[unit - first] !== unusableEntry,
  );
  return unmarked === undefined
    ? null
    : { kind: 'reserved', words: `offers unit ${unmarked}, which holds headers` };
}

function entryFault(context: TableContext, group: number, index: number, entry: number): string | null {
  const { header, reserved } = context;
  if (entry === 0 || entry === unusableEntry) return null;
  const unit = group * unitsOfTable + index;
  if (unit >= unitsIn(header.hotfixSectors)) return `speaks of unit ${unit}, outside the hotfix area`;
  if (entry % unitSectors !== 0 || entry >= header.dataSectors) {
    return `moves logical sector ${entry}, which begins no unit of the data`;
  }
  return reserved.has(unit) || unit === 0 ? `moves data to unit ${unit}, which holds headers` : null;
}

/* Bad bits only say what was lost: where a copy is unreadable or they differ, the more is believed. */
async function settleBadBits(context: TableContext, group: number, tables: TableGroup): Promise<number[]> {
  const { device, notices } = context;
  const copies = [await tableAt(device, tables.badBits[0]), await tableAt(device, tables.badBits[1])];
  for (const [index, copy] of copies.entries()) {
    if (copy !== null) continue;
    notices.push(
      warning(
        'netware-copy-damaged',
        `The copy of bad-bits table ${group + 1} at sector ${tables.badBits[index]} cannot be read.`,
        { what: 'bad-bits table', group, sector: tables.badBits[index] },
      ),
    );
  }
  const [first = null, second = null] = copies;
  if (first !== null && second !== null && !isSame(first, second)) {
    notices.push(
      warning(
        'netware-copies-tied',
        `The two copies of bad-bits table ${group + 1} differ; the sound one was taken.`,
        {
          what: 'bad-bits table',
          group,
        },
      ),
    );
  }
  const sound = copies.filter((copy) => copy !== null && copy.every(isBadBits));
  if (sound.length === 0) {
    notices.push(
      warning(
        'netware-copy-damaged',
        `No copy of bad-bits table ${group + 1} is sound; which sectors were lost when they were moved is not known.`,
        { what: 'bad-bits table', group },
      ),
    );
  }
  return Array.from({ length: unitsOfTable }, (_, index) =>
    sound.reduce((bits, copy) => {
      const entry = copy?.[index] ?? 0;
      return entry === unusableEntry ? bits : bits | entry;
    }, 0),
  );
}

function isBadBits(entry: number): boolean {
  return entry <= 0xff || entry === unusableEntry;
}

function dropDoubled(entries: number[], notices: NetwareNotice[]): void {
  const seen = new Set<number>();
  for (const [unit, entry] of entries.entries()) {
    if (entry === 0 || entry === unusableEntry) continue;
    if (seen.has(entry)) {
      entries[unit] = unusableEntry;
      notices.push(
        warning(
          'netware-redirections',
          `Logical sector ${entry} is moved twice; unit ${unit}, the later of the two, is left out.`,
          { logical: entry, unit },
        ),
      );
    }
    seen.add(entry);
  }
}

function told(redirections: Redirections): NetwareNotice[] {
  const { moved, units, unusable } = redirections;
  if (moved.length === 0) return [];
  const usable = units - unusable.length;
  const lost = lostSectors(redirections);
  const used = remark(
    'netware-redirections',
    `${moved.length} of ${usable} spare units of the hotfix area are in use: that many pieces of 4 KiB had failed.`,
    { used: moved.length, usable, logical: moved.slice(0, 100).map(({ logical }) => logical) },
  );
  if (lost.length === 0) return [used];
  return [
    used,
    warning(
      'netware-lost-sectors',
      `${lost.length} sectors could not be read when they were moved to the hotfix area; what they held is lost.`,
      { count: lost.length, logical: lost.slice(0, 100) },
    ),
  ];
}
