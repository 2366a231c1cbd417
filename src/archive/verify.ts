import { isCoded, RemetalError } from '../errors/index.ts';
import type { Medium, RecordPlace, RecordSource } from '../medium/medium.ts';
import type { Reporter } from '../progress/index.ts';
import { SetAudit } from './audit.ts';
import { nodeCodec, type Codec } from './codec.ts';
import { decodeDocument, endSchema, type End } from './documents.ts';
import { endOf, lookAtEnds, openRecords, setIdOf } from './open.ts';
import { ProblemList } from './problem-list.ts';
import { openSet } from './reader.ts';
import { unpack, type StoredRecord, type Unpacked } from './record.ts';
import { walk, type Found } from './scan.ts';
import { RecordSequence } from './sequence.ts';
import { GroupIndex } from './map.ts';
import { isDamage } from './set-source.ts';
import { unnumberedKinds } from './structures.ts';

export interface VerifyOptions {
  readonly reporter: Reporter;
  readonly signal?: AbortSignal;
  /** Where the earlier sets of an incremental one are looked for, when not beside it. */
  readonly chain?: readonly Medium[];
  /** Decompresses and checks the records; what Node has when absent or null. */
  readonly codec?: Codec | null;
}

export interface VerifyReport {
  /** Intact records met, labels counted too. */
  readonly records: number;
  /** Plain bytes of volumes checked. */
  readonly bytes: number;
  /** The problems found, the first 2000 of them; empty for a sound set. */
  readonly problems: readonly RemetalError[];
}

/** Records being decoded at once. */
const maxAhead = 8;

/**
 * Reads a whole set and checks every record, the sequence of ordinals, and that maps, checksums,
 * totals, index and digest agree with the records, and reads what an incremental one needs of the earlier sets. Problems are collected, not thrown; thrown are
 * `no-such-set`, `not-a-set`, `set-too-new`, `set-encrypted` and what the medium throws.
 */
export async function verifySet(medium: Medium, name: string, options: VerifyOptions): Promise<VerifyReport> {
  const source = await medium.open(name);
  try {
    const own = await verifyOwn(source, name, options);
    // A set that is not sound cannot tell what it needs of others.
    const { report, chainLength } = own;
    if (report.problems.length > 0 || chainLength === 0) return report;
    return await verifyChain(medium, name, options, report);
  } finally {
    await source.close();
  }
}

/** What was found in a set itself, and how many earlier ones it needs. */
interface OwnReport {
  readonly report: VerifyReport;
  readonly chainLength: number;
}

async function verifyOwn(source: RecordSource, name: string, options: VerifyOptions): Promise<OwnReport> {
  if (source.record !== undefined) return await verifyFromFront(source, name, options);
  const problems = new ProblemList();
  const ends = await lookAtEnds(source, name);
  const end = await endOf(source, name, ends).catch((error: unknown): null => {
    if (!isDamage(error) && !isCoded(error, 'set-incomplete')) throw error;
    problems.push(error);
    return null;
  });
  const totalBytes = end === null ? 0 : await plainTotal(source, name);
  const pass = new VerifyPass(source.bytes, options, totalBytes);
  await pass.run(source, setIdOf(ends));
  problems.push(...pass.conclude(end));
  return pass.report(problems);
}

/** Reads what an incremental set needs of the earlier ones of its chain. */
async function verifyChain(
  medium: Medium,
  name: string,
  options: VerifyOptions,
  own: VerifyReport,
): Promise<VerifyReport> {
  const problems = new ProblemList();
  const { codec = null, chain = [medium], signal, reporter } = options;
  let { records, bytes } = own;
  try {
    const reader = await openSet(medium, name, { codec, chain });
    try {
      const needed = [...reader.maps.values()].reduce((sum, map) => sum + (map.earlier?.total() ?? 0), 0);
      for (const id of reader.maps.keys()) {
        const index = reader.index(id);
        const groups = {
          from: index.ownGroups,
          onDamage: 'report',
          ...(signal === undefined ? {} : { signal }),
        } as const;
        for await (const { index: group, damage, release } of reader.groups(id, groups)) {
          if (damage === null) {
            records++;
            bytes += index.groupLength(group);
          } else problems.push(damage);
          release?.();
          reporter.progress({ phase: 'verify', doneBytes: bytes, totalBytes: own.bytes + needed });
        }
      }
    } finally {
      await reader.close();
    }
  } catch (error) {
    if (!isCoded(error, 'chain-link-missing', 'chain-link-foreign', 'chain-out-of-order')) throw error;
    problems.push(error);
  }
  return { records, bytes, problems: problems.items };
}

/** A medium that is read from the front is passed over once; its end is met at the end. */
async function verifyFromFront(
  source: RecordSource,
  name: string,
  options: VerifyOptions,
): Promise<OwnReport> {
  const pass = new VerifyPass(source.bytes, options, await plainTotal(source, name));
  await pass.run(source, null);
  const problems = new ProblemList();
  const { end } = pass;
  if (end === null) {
    problems.push(
      new RemetalError('set-truncated', `Set ${name} ends before its last record.`, { facts: { name } }),
    );
  }
  problems.push(...pass.conclude(end));
  return pass.report(problems);
}

/** Plain bytes the set holds, for the progress; 0 where that cannot be read. */
async function plainTotal(source: RecordSource, name: string): Promise<number> {
  try {
    const { totals, volumes } = await openRecords(source, name, false);
    if (totals !== null) return totals.volumes.reduce((sum, volume) => sum + volume.kept, 0);
    return volumes.reduce((sum, { map }) => sum + new GroupIndex(map).plainBytes, 0);
  } catch (error) {
    if (!isDamage(error) && !isCoded(error, 'set-incomplete')) throw error;
    return 0;
  }
}

/** Problems that two ways of looking found are named once. */
function distinct(problems: readonly RemetalError[]): RemetalError[] {
  const seen = new Set<string>();
  return problems.filter(({ code, facts, message }) => {
    const { part, offset } = facts;
    const key = JSON.stringify(offset === undefined ? [code, message] : [code, part, offset]);
    return !seen.has(key) && seen.add(key);
  });
}

interface Checked {
  readonly place: RecordPlace;
  readonly record: StoredRecord | null;
  /** Plain bytes; the problem where they do not match. */
  readonly unpacked: Promise<Unpacked | RemetalError | null>;
}

class VerifyPass {
  records = 0;
  /** The end record, where it was met. */
  end: End | null = null;
  bytes = 0;
  readonly #problems = new ProblemList();
  readonly #sequence: RecordSequence;
  readonly #audit: SetAudit;
  readonly #options: VerifyOptions;
  readonly #totalBytes: number;

  constructor(mediumBytes: number, options: VerifyOptions, totalBytes: number) {
    this.#sequence = new RecordSequence(mediumBytes);
    this.#audit = new SetAudit(mediumBytes);
    this.#options = options;
    this.#totalBytes = totalBytes;
  }

  async run(source: RecordSource, setId: Buffer | null): Promise<void> {
    const ahead: Checked[] = [];
    for await (const found of walk(source, setId, this.#options.signal)) {
      ahead.push(check(found, this.#options.codec));
      if (ahead.length >= maxAhead) await this.#take(ahead.shift()!);
    }
    for (const checked of ahead) await this.#take(checked);
  }

  async #take({ place, record, unpacked }: Checked): Promise<void> {
    const result = await unpacked;
    const facts = { part: place.part + 1, offset: place.offset };
    if (record === null) {
      if (!(result instanceof RemetalError)) return;
      const lost = isCoded(result, 'record-damaged');
      this.#problems.push(lost ? located(result, { ...facts, ordinal: this.#sequence.damaged() }) : result);
      return;
    }
    const { kind, ordinal, plainLength } = record.header;
    const wrong = unnumberedKinds.has(kind) ? null : this.#sequence.met(ordinal);
    if (wrong !== null) this.#problems.push(located(wrong, facts));
    if (result instanceof RemetalError) {
      this.#problems.push(located(result, { ...facts, ordinal, kind }));
      return;
    }
    this.records++;
    if (kind === 'end') this.end = endIn(result?.plain ?? null);
    if (kind === 'control' || kind === 'data') {
      this.bytes += plainLength;
      const doneBytes = this.bytes;
      this.#options.reporter.progress({
        phase: 'verify',
        doneBytes,
        totalBytes: Math.max(this.#totalBytes, doneBytes),
      });
    }
    // Behind the first problem the records no longer add up, and everything after would be blamed for it.
    if (this.#problems.count === 0) this.#audit.record(record, place, result?.plain ?? null);
    if (kind === 'control' || kind === 'data') result?.release();
  }

  report(problems: ProblemList): OwnReport {
    const { records, bytes } = this;
    const { chainLength } = this.#audit;
    return { report: { records, bytes, problems: distinct(problems.items) }, chainLength };
  }

  /** Everything found, with what only shows at the end. */
  conclude(end: End | null): RemetalError[] {
    this.#problems.push(...this.#sequence.missing(end?.records ?? this.#sequence.expected));
    if (this.#problems.count > 0 || end === null) return this.#problems.items;
    this.#audit.conclude();
    return this.#audit.problems;
  }
}

/** The end record; null where its text is damaged, which the audit tells. */
function endIn(plain: Buffer | null): End | null {
  try {
    return decodeDocument(plain ?? Buffer.alloc(0), endSchema, 'end record');
  } catch (error) {
    if (!isDamage(error)) throw error;
    return null;
  }
}

function located(problem: RemetalError, facts: Readonly<Record<string, unknown>>): RemetalError {
  return new RemetalError(problem.code, problem.message, {
    facts: { ...problem.facts, ...facts },
    cause: problem,
  });
}

function check({ place, record, problem }: Found, codec: Codec | null | undefined): Checked {
  if (record === null) return { place, record, unpacked: Promise.resolve(problem) };
  const unpacked = unpack(record, codec ?? nodeCodec).catch((error: unknown) => {
    if (isDamage(error)) return error;
    throw error;
  });
  return { place, record, unpacked };
}
