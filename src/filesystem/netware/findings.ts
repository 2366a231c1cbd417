/**
 * error: the server would not mount the volume as it is, or somebody's data is in doubt. warning: it
 * would mount and put it right or live with it. note: nothing is wrong, but a person should know.
 */
export type Severity = 'error' | 'warning' | 'note';

/** What a check found. */
export interface Finding {
  readonly code: FindingCode;
  readonly severity: Severity;
  /** A plain sentence. */
  readonly message: string;
  /** What VREPAIR does about it, a plain sentence. */
  readonly repair: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

interface Kind {
  readonly severity: Severity;
  /** A volume with such a finding is imaged whole: what the FAT calls free may not be. */
  readonly doubtsMap: boolean;
  readonly repair: string;
}

const nothing = 'Nothing; VREPAIR leaves it alone.';
const fromOther = 'It copies the sound copy over the other one.';
const cutsChain = 'Presumably it cuts the file off before the bad link.';

const error = (repair: string): Kind => ({ severity: 'error', doubtsMap: true, repair });
/** As bad, but no block that is in use can look free by it. */
const recordError = (repair: string): Kind => ({ severity: 'error', doubtsMap: false, repair });
const warning = (repair: string): Kind => ({ severity: 'warning', doubtsMap: false, repair });
const note = (repair: string): Kind => ({ severity: 'note', doubtsMap: false, repair });

/**
 * Every code a check can give, grouped by what it speaks of. What VREPAIR does: Novell's NetWare 4 handbook, and
 * nwfix.c of jeffmerkey/netware-file-system; `presumably` where neither says it.
 */
export const findingKinds = {
  // the volume as its table defines it
  'volume-definition': error('It cannot: the volume table has to be put right first.'),
  'volume-short': error('It cannot: a part of the volume is missing.'),
  // FAT
  'fat-pointers': error(
    'It stops where it can determine no valid FAT; the volume then comes back from a backup.',
  ),
  'fat-unreadable': recordError(fromOther),
  'fat-copies-differ': error('It takes the mirror when that has fewer errors, else the primary copy.'),
  'fat-chain': error('It takes the other copy; without one it stops.'),
  'fat-lost': error('It stops: without valid FAT entries it cannot repair the volume.'),
  'fat-link': error('It frees blocks that belong to no file.'),
  'fat-free-index': warning('Presumably it clears the number.'),
  // directory, extended directory
  'directory-chain': error(
    'It stops when the two copies have not the same length; else it writes both anew from the sound one.',
  ),
  'directory-unreadable': recordError(fromOther),
  'directory-copies-differ': error('It checks the records of the primary copy and writes them to both.'),
  'directory-lost': error('It stops, or drops what hung on the lost records.'),
  // records
  'root-record': error('Presumably it stops: name spaces and suballocation are told by the root alone.'),
  'root-flags': error('Presumably it clears the flags it does not know.'),
  'name-spaces': recordError(
    'Presumably it writes the list again; it wants its support module for each name space.',
  ),
  'record-type': error('It frees the record.'),
  'record-name-space': recordError('It frees the record.'),
  'record-name': recordError('It frees the record or renames the file, depending on its version.'),
  'record-trustees': recordError('It drops the trustee assignments.'),
  'record-restriction': recordError('It frees the record.'),
  'record-page': recordError('Presumably it moves the record to a page of its owner.'),
  'record-page-mixed': warning('Presumably it moves the record to a page of its owner.'),
  'record-free': note('It clears the record.'),
  'record-orphan': warning('It drops the record and frees its blocks.'),
  'record-loop': recordError('Presumably it drops what cannot be reached from the root.'),
  'record-parent': error('It frees the record.'),
  'record-links': recordError('It frees the records no file leads to.'),
  'record-doubled-name': warning('Presumably it renames or drops the second one.'),
  'record-date': note(nothing),
  // contents of files
  'chain-range': error(cutsChain),
  'chain-free': error(cutsChain),
  'chain-index': error(cutsChain),
  'chain-unknown': error('It stops: without valid FAT entries it cannot repair the volume.'),
  'block-doubled': error('Presumably it leaves the block to one of the two and cuts the other off.'),
  'beyond-size': warning('Presumably it frees the blocks behind the end of the file.'),
  'blocks-lost': warning('It frees them.'),
  // suballocation
  'suballocation-records': error(
    'It clears heads outside the volume; records that are missing it presumably makes anew, empty.',
  ),
  'suballocation-off': recordError('Presumably it cuts the tail off.'),
  'suballocation-chain': error('Presumably it drops the chain, and the tails in it.'),
  'tail-range': recordError('Presumably it cuts the tail off.'),
  'tail-doubled': recordError('Presumably it leaves the piece to one of the two.'),
  'tail-short': warning(nothing),
  'tail-forbidden': warning(nothing),
  // told, not wrong
  compressed: note(nothing),
  migrated: note(nothing),
} as const satisfies Record<string, Kind>;

export type FindingCode = keyof typeof findingKinds;

/** So many of one code are told one by one; the rest is counted. */
const mostOfOneCode = 200;

/** Gathers findings; of a code that comes without end, the first ones and the number. */
export class Findings {
  readonly #list: Finding[] = [];
  readonly #counts = new Map<FindingCode, number>();
  #doubt: string | null = null;

  add(code: FindingCode, message: string, facts: Readonly<Record<string, unknown>> = {}): void {
    const { severity, doubtsMap, repair } = findingKinds[code];
    const count = (this.#counts.get(code) ?? 0) + 1;
    this.#counts.set(code, count);
    if (doubtsMap) this.#doubt ??= message;
    if (count <= mostOfOneCode) this.#list.push({ code, severity, message, repair, facts });
  }

  /** Takes over what another has gathered. */
  include(other: Findings): void {
    for (const { code, message, facts } of other.#list) this.add(code, message, facts);
    for (const [code, count] of other.#counts) {
      const kept = Math.min(count, mostOfOneCode);
      this.#counts.set(code, (this.#counts.get(code) ?? 0) + count - kept);
    }
  }

  /** Why the used map may not be believed, or null. */
  get doubt(): string | null {
    return this.#doubt;
  }

  list(): Finding[] {
    const more: Finding[] = [];
    for (const [code, count] of this.#counts) {
      if (count <= mostOfOneCode) continue;
      const { severity, repair } = findingKinds[code];
      const facts = { count };
      const message = `There are ${count - mostOfOneCode} more findings of the kind ${code}.`;
      more.push({ code, severity, message, repair, facts });
    }
    return [...this.#list, ...more];
  }
}
