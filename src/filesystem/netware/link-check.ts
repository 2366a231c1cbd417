import { crc32 } from 'node:zlib';
import type { DirectoryFile } from './directory-file.ts';
import type { Findings } from './findings.ts';
import { deepest, roles, type RecordIndex } from './index-of-records.ts';
import { moreTrustees } from './objects.ts';
import { parseNamed, parseTrustees } from './records.ts';
import { counted } from './words.ts';

/** Beyond so many, names that may be doubled are not looked at one by one. */
const mostCandidates = 10_000;

/** Checks how records hang together: names of one file, trustees, parents, names that occur twice. */
export class LinkCheck {
  readonly #directory: DirectoryFile;
  readonly #index: RecordIndex;
  readonly #spaces: readonly number[];
  readonly #findings: Findings;
  /** Records that a list of names or trustees leads to. */
  readonly #reached: Uint8Array;
  /** A hash of directory and name by record; 0 for all that is no live file or directory. */
  readonly #hashes: Uint32Array;

  constructor(
    from: { directory: DirectoryFile; index: RecordIndex; nameSpaces: readonly number[] },
    findings: Findings,
  ) {
    this.#directory = from.directory;
    this.#index = from.index;
    this.#spaces = from.nameSpaces;
    this.#findings = findings;
    this.#reached = new Uint8Array(from.index.records);
    this.#hashes = new Uint32Array(from.index.records);
  }

  /** Follows the lists of one DOS record. */
  async object(number: number, record: Buffer): Promise<void> {
    const { primary, nameList, subdirectory, deleted } = parseNamed(record);
    // What files of 3.x have there is known from one source only, so 0 is let pass.
    if (primary !== number && primary !== 0) this.#broken(number, `takes record ${primary} for its own`);
    await this.#names(number, nameList);
    await this.#trustees(number, record.readUInt32LE(subdirectory ? 44 : 56));
    if (!deleted) this.#hashes[number] = hashOf(record);
  }

  /** Follows the trustees that found no room in the root record. */
  async root(nextTrustees: number): Promise<void> {
    await this.#trustees(0, nextTrustees);
  }

  /** What only shows once every record was looked at. */
  async finish(): Promise<void> {
    for (const number of this.#index.ofRole(roles.name)) {
      if (this.#reached[number] === 1) continue;
      this.#broken(number, 'is a name that no file leads to');
    }
    await this.#strayTrustees();
    this.#orphans();
    await this.#doubledNames();
  }

  async #names(number: number, first: number): Promise<void> {
    const met = new Set<number>();
    for (let at = first; at !== 0;) {
      const record = await this.#directory.record(at);
      if (record === null || this.#index.role(at) !== roles.name) {
        this.#broken(number, `leads to record ${at}, which is no name`);
        return;
      }
      const { nameSpace, primary, nameList } = parseNamed(record);
      if (primary !== number || this.#reached[at] === 1) {
        this.#broken(number, `leads to record ${at}, a name of record ${primary}`);
        return;
      }
      this.#reached[at] = 1;
      if (!this.#spaces.includes(nameSpace)) {
        this.#broken(number, `has a name in name space ${nameSpace}, which the volume does not have`);
      } else if (met.has(nameSpace)) {
        this.#broken(number, `has two names in name space ${nameSpace}`);
      }
      met.add(nameSpace);
      at = nameList;
    }
  }

  async #trustees(number: number, first: number): Promise<void> {
    if (first === 0) return;
    const { records } = await moreTrustees({ directory: this.#directory }, number, first);
    for (const record of records) this.#reached[record] = 1;
    const last = records.at(-1);
    const end = last === undefined ? first : parseTrustees((await this.#directory.record(last))!).next;
    if (end === 0) return;
    this.#findings.add(
      'record-trustees',
      `Record ${number} leads to record ${end} for trustees, which holds none of its.`,
      { record: number, next: end },
    );
  }

  /** A trustee record nobody leads to speaks for nobody. */
  async #strayTrustees(): Promise<void> {
    for (const number of this.#index.ofRole(roles.trustees)) {
      const record = this.#reached[number] === 1 ? null : await this.#directory.record(number);
      if (record === null) continue;
      const { of } = parseTrustees(record);
      this.#findings.add(
        'record-trustees',
        `Record ${number} holds trustees of record ${of}, which does not lead to it.`,
        { record: number, of },
      );
    }
  }

  #broken(number: number, words: string): void {
    this.#findings.add('record-links', `Record ${number} ${words}.`, { record: number });
  }

  #orphans(): void {
    let below = 0;
    let looked = 0;
    for (const number of this.#index.orphans()) {
      // Enough to tell of; going up from every one of millions would take for ever.
      if (++looked > mostCandidates) {
        below++;
        continue;
      }
      const parent = this.#index.parent(number);
      if (!this.#index.isDirectory(parent)) {
        this.#findings.add(
          'record-orphan',
          `Record ${number} lies in directory ${parent}, which does not exist.`,
          { record: number, parent },
        );
      } else if (this.#leadsNowhere(number)) {
        below++;
      } else {
        this.#findings.add(
          'record-loop',
          `Record ${number} lies in directories that lie in one another, or more than ${deepest} deep.`,
          { record: number, parent },
        );
      }
    }
    if (below === 0) return;
    this.#findings.add(
      'record-orphan',
      `${counted(below, 'more file or directory lies', 'more files and directories lie')} below directories that cannot be reached.`,
      { count: below },
    );
  }

  /** Whether the way up ends at a directory that does not exist, rather than going on for ever. */
  #leadsNowhere(number: number): boolean {
    let at = number;
    for (let depth = 0; depth <= deepest; depth++) {
      at = this.#index.parent(at);
      if (!this.#index.isDirectory(at)) return true;
    }
    return false;
  }

  async #doubledNames(): Promise<void> {
    const sorted = this.#hashes.toSorted();
    const candidates = new Set<number>();
    for (let i = 1; i < sorted.length && candidates.size < mostCandidates; i++) {
      if (sorted[i] === sorted[i - 1] && sorted[i] !== 0) candidates.add(sorted[i]!);
    }
    if (candidates.size === 0) return;
    const first = new Map<string, number>();
    for (let number = 0; number < this.#hashes.length; number++) {
      if (!candidates.has(this.#hashes[number]!)) continue;
      const record = await this.#directory.record(number);
      if (record === null) continue;
      const key = keyOf(record);
      const other = first.get(key);
      if (other === undefined) first.set(key, number);
      else {
        this.#findings.add(
          'record-doubled-name',
          `Records ${other} and ${number} have the same name in the same directory.`,
          { records: [other, number] },
        );
      }
    }
  }
}

/** Directory and DOS name of a record. */
function keyOf(record: Buffer): string {
  return (
    record.toString('latin1', 0, 4) + record.toString('latin1', 12, 12 + Math.min(record.readUInt8(11), 12))
  );
}

function hashOf(record: Buffer): number {
  const sum = crc32(keyOf(record));
  return sum === 0 ? 1 : sum;
}
