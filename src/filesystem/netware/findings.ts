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
const cutsChain = 'It cuts the file off before the bad link and corrects its size.';

const error = (repair: string): Kind => ({ severity: 'error', doubtsMap: true, repair });
/** As bad, but no block that is in use can look free by it. */
const recordError = (repair: string): Kind => ({ severity: 'error', doubtsMap: false, repair });
const warning = (repair: string): Kind => ({ severity: 'warning', doubtsMap: false, repair });
const note = (repair: string): Kind => ({ severity: 'note', doubtsMap: false, repair });

/** Every code a check can give, grouped by what it speaks of. */
export const findingKinds = {
  // the volume as its table defines it
  'volume-definition': error('It cannot: the volume table has to be put right first.'),
  'volume-short': error('It cannot: a part of the volume is missing.'),
  // FAT
  'fat-pointers': error('It looks for the mirror at its usual place, 256 KB into the volume.'),
  'fat-unreadable': recordError(fromOther),
  'fat-copies-differ': error('It compares both entries with their neighbours and keeps the better one.'),
  'fat-chain': error('It links the chain of the FAT again from the places FAT blocks usually have.'),
  'fat-lost': error('It cannot rebuild a part of the FAT that is lost in both copies; files in it are lost.'),
  'fat-link': error('It ends the chain there.'),
  'fat-free-index': warning('It clears the number.'),
  // directory, extended directory
  'directory-chain': error('It links the directory to the blocks of the other copy.'),
  'directory-unreadable': recordError(fromOther),
  'directory-copies-differ': error('It keeps the copy whose records are sound.'),
  'directory-lost': error('It cannot rebuild records lost in both copies; it drops what hung on them.'),
  // records
  'root-record': error('It writes a new root record; name spaces have to be named to it.'),
  'root-flags': error('It clears flags it does not know.'),
  'name-spaces': recordError('It writes the list of name spaces again.'),
  'record-type': error('It frees the record.'),
  'record-name-space': recordError('It frees the record.'),
  'record-name': recordError('It gives the file a new name, VR and a number.'),
  'record-trustees': recordError('It drops the trustee assignments of the record.'),
  'record-restriction': recordError('It frees the record.'),
  'record-page': recordError('It moves the record to a page of its owner.'),
  'record-page-mixed': warning('It moves the record to a page of its owner.'),
  'record-free': note('It clears the record.'),
  'record-orphan': warning('It drops the record and frees its blocks.'),
  'record-loop': recordError(
    'It drops directories that cannot be reached from the root, and what is in them.',
  ),
  'record-parent': error('It drops the record.'),
  'record-links': recordError('It links the names again, or frees the stray record.'),
  'record-doubled-name': warning('It renames the second one, VR and a number.'),
  'record-date': note(nothing),
  // contents of files
  'chain-range': error(cutsChain),
  'chain-free': error(cutsChain),
  'chain-index': error(cutsChain),
  'chain-unknown': error('It cannot follow the file through the lost part of the FAT.'),
  'block-doubled': error('It leaves the block to the first file and cuts the other one off.'),
  'beyond-size': warning('It frees the blocks behind the end of the file.'),
  'blocks-lost': warning('It frees them, when told to; some versions keep them as files named LOST.'),
  // suballocation
  'suballocation-records': error('It writes the records again from the tails that files point to.'),
  'suballocation-off': recordError('It cuts the tail off.'),
  'suballocation-chain': error('It drops the damaged chain, and the tails in it.'),
  'tail-range': recordError('It cuts the tail off.'),
  'tail-doubled': recordError('It leaves the piece to the first file and cuts the tail off the other one.'),
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
