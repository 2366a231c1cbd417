import { timeText } from './date.ts';
import { Claims, type Claimant } from './claims.ts';
import type { DirectoryFile } from './directory-file.ts';
import { FileCheck } from './file-check.ts';
import { Findings, type FindingCode } from './findings.ts';
import { recordSize, recordsPerPage } from './geometry.ts';
import { roles } from './index-of-records.ts';
import { LinkCheck } from './link-check.ts';
import { checkPage } from './page-check.ts';
import { recordFault } from './record-check.ts';
import { attributeBits, parseNamed, type NamedRecord } from './records.ts';
import type { Structures } from './structures.ts';
import { counted } from './words.ts';

/** What going over the whole volume once has shown. */
export interface Survey {
  readonly findings: Findings;
  readonly claims: Claims;
}

/** Records whose fields mean nothing once this is wrong with them. */
const meaningless: ReadonlySet<FindingCode> = new Set(['record-type', 'record-parent', 'record-name-space']);
const macintosh = 1;

/** Goes over every record and every chain of the volume, as the server does before it mounts one. */
export async function survey(structures: Structures): Promise<Survey> {
  return await new Surveyor(structures).run();
}

class Surveyor {
  readonly #structures: Structures;
  readonly #findings = new Findings();
  readonly #claims: Claims;
  readonly #files: FileCheck;
  readonly #links: LinkCheck;
  #compressed = 0;
  #migrated = 0;

  constructor(structures: Structures) {
    const { fat, directory, index, suballocation, root } = structures;
    this.#structures = structures;
    this.#claims = new Claims(fat.table);
    this.#files = new FileCheck(
      { fat: fat.table, suballocation, suballocated: root.suballocated, claims: this.#claims },
      this.#findings,
    );
    this.#links = new LinkCheck({ directory, index, nameSpaces: root.nameSpaces }, this.#findings);
  }

  async run(): Promise<Survey> {
    const { directory, index, root, findings } = this.#structures;
    this.#findings.include(findings);
    this.#claimStructures();
    await this.#links.root(root.nextTrustees);
    for (let page = 0; page < directory.pages; page++) {
      const bytes = await directory.page(page);
      if (bytes === null) continue;
      checkPage(bytes, { first: page * recordsPerPage, index, findings: this.#findings });
      for (let i = 0; i < recordsPerPage; i++) {
        await this.#record(page * recordsPerPage + i, bytes.subarray(i * recordSize, (i + 1) * recordSize));
      }
    }
    await this.#links.finish();
    this.#table();
    this.#notes();
    return { findings: this.#findings, claims: this.#claims };
  }

  #claimStructures(): void {
    const { fat, directory, extended, suballocation } = this.#structures;
    this.#claim('the FAT', fat.primary);
    this.#claim('the mirror FAT', fat.mirror);
    this.#claimDirectory(['the directory', 'the mirror directory'], directory);
    if (extended !== null) {
      this.#claimDirectory(['the extended directory', 'the mirror extended directory'], extended);
    }
    for (const [, blocks] of suballocation.chains()) this.#claim('the suballocated tails', blocks);
  }

  #claimDirectory([primary, mirror]: readonly [Claimant, Claimant], file: DirectoryFile): void {
    this.#claim(primary, file.primaryBlocks);
    this.#claim(mirror, file.mirrorBlocks);
  }

  #claim(claimant: Claimant, blocks: Iterable<number>): void {
    const doubled = this.#claims.claimBlocks(claimant, blocks);
    if (doubled === null) return;
    const { block, by } = doubled;
    const other = 'claimant' in by ? by.claimant : `record ${by.record}`;
    this.#findings.add('block-doubled', `Block ${block} belongs to ${other} and to ${claimant}.`, {
      block,
      ...by,
      claimant,
    });
  }

  async #record(number: number, record: Buffer): Promise<void> {
    const { measure, index } = this.#structures;
    // The root was looked at when the volume was opened.
    const fault = number === 0 ? null : recordFault(record, measure);
    if (fault !== null) {
      this.#findings.add(fault.code, `Record ${number} ${fault.words}.`, { record: number });
      if (meaningless.has(fault.code)) return;
    }
    const role = index.role(number);
    if (role === roles.name) this.#fork(number, record);
    if (role === roles.other || role >= roles.name) return;
    const named = parseNamed(record);
    await this.#links.object(number, record);
    this.#dates(number, record, named);
    if (named.subdirectory) return;
    if ((named.attributes & attributeBits.compressed) !== 0) this.#compressed++;
    if ((named.attributes & attributeBits.migrated) !== 0) this.#migrated++;
    this.#files.check({
      record: number,
      first: record.readUInt32LE(52),
      size: record.readUInt32LE(48),
      attributes: named.attributes,
      deleted: named.deleted,
      what: `File ${number}`,
    });
  }

  #fork(number: number, record: Buffer): void {
    const { nameSpace, subdirectory, deleted, primary } = parseNamed(record);
    if (nameSpace !== macintosh || subdirectory) return;
    const role = this.#structures.index.role(primary);
    this.#files.check({
      record: number,
      first: record.readUInt32LE(44),
      size: record.readUInt32LE(48),
      attributes: 0,
      // What its DOS record says counts; its own flag does where there is none.
      deleted: role === roles.deletedFile || (deleted && role !== roles.file),
      what: `The resource fork of record ${number}`,
    });
  }

  #dates(number: number, record: Buffer, { subdirectory, deleted }: NamedRecord): void {
    const places = subdirectory || !deleted ? [24, 32, 40] : [24, 32, 40, 104];
    const odd = places.find(
      (at) => record.readUInt32LE(at) !== 0 && timeText(record.readUInt32LE(at)) === null,
    );
    if (odd === undefined) return;
    const raw = record.readUInt32LE(odd);
    this.#findings.add(
      'record-date',
      `Record ${number} has a date that is none, ${raw.toString(16).padStart(8, '0')} hex.`,
      { record: number, raw },
    );
  }

  /** What only the FAT as a whole shows. */
  #table(): void {
    const { table } = this.#structures.fat;
    let numbered = 0;
    let astray = 0;
    let example = 0;
    for (let block = 0; block < table.blocks; block++) {
      const next = table.next(block);
      if (next === 0 && table.index(block) !== 0) numbered++;
      if (next < table.blocks || next >= 0x80_00_00_00) continue;
      if (astray++ === 0) example = block;
    }
    if (numbered > 0) {
      const words = `${counted(numbered, 'free block has', 'free blocks have')} a number in a file.`;
      this.#findings.add('fat-free-index', words, { count: numbered });
    }
    if (astray > 0) {
      const words = `${counted(astray, 'entry of the FAT leads', 'entries of the FAT lead')} outside the volume, the first that of block ${example}.`;
      this.#findings.add('fat-link', words, { count: astray, block: example });
    }
    const { count, first } = this.#claims.unclaimed();
    if (count === 0) return;
    const words = `${counted(count, 'block is in use and belongs', 'blocks are in use and belong')} to no file, the first block ${first}.`;
    this.#findings.add('blocks-lost', words, { count, block: first });
  }

  #notes(): void {
    if (this.#compressed > 0) {
      this.#findings.add(
        'compressed',
        `${counted(this.#compressed, 'file is', 'files are')} compressed and read as stored, compressed.`,
        { count: this.#compressed },
      );
    }
    if (this.#migrated > 0) {
      this.#findings.add(
        'migrated',
        `${counted(this.#migrated, 'file has', 'files have')} been migrated to other media: the contents are not on the volume.`,
        { count: this.#migrated },
      );
    }
  }
}
