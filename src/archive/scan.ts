import { isCoded, RemetalError } from '../errors/index.ts';
import { tarBlock } from '../bytes/index.ts';
import type { RecordPlace, RecordSource } from '../medium/medium.ts';
import type { Contents } from './documents.ts';
import { FoundContents } from './found-contents.ts';
import { ProblemList } from './problem-list.ts';
import { decodeRecord, type StoredRecord } from './record.ts';
import { unnumberedKinds } from './structures.ts';
import { PlaceIndex } from './tables.ts';

/** What a pass over all parts met at one place. */
export interface Found {
  readonly place: RecordPlace;
  /** Null where no intact record of the set stands. */
  readonly record: StoredRecord | null;
  readonly problem: RemetalError | null;
}

/**
 * Every record of every part, in the order they stand. Damage is reported and passed over; the pass
 * goes on at the next intact record of the set. `setId` null takes the set of the first intact record.
 * Throws only what the medium throws, `set-too-new` and `set-encrypted`.
 */
export async function* walk(
  source: RecordSource,
  setId: Buffer | null,
  signal?: AbortSignal,
): AsyncGenerator<Found, void, undefined> {
  let id = setId;
  for (let part = 0; part < source.parts; part++) {
    if (source.missing.includes(part)) {
      const facts = { part: part + 1 };
      const problem = new RemetalError('part-missing', `Part ${part + 1} of the set is not there.`, {
        facts,
      });
      yield { place: { part, offset: 0 }, record: null, problem };
      continue;
    }
    await source.seek({ part, offset: 0 });
    for (let lost = false; ;) {
      signal?.throwIfAborted();
      const found = await step(source, id);
      if (found === null) break;
      const { place } = found;
      if (found.record !== null) {
        id ??= found.record.header.setId;
        lost = false;
        yield found;
      } else if (!lost) yield found;
      if (found.problem === null) continue;
      if (found.problem.code === 'set-truncated') break;
      // What looks like a foreign record may lie inside the data of a damaged one: look at every block.
      if (found.problem.code === 'record-misplaced' && lost) {
        await source.seek({ part, offset: place.offset + tarBlock });
      }
      if (found.problem.facts['framing'] === true) lost = true;
    }
  }
}

async function step(source: RecordSource, setId: Buffer | null): Promise<Found | null> {
  let member: Buffer | null;
  try {
    member = await source.next();
  } catch (error) {
    if (!isCoded(error, 'record-damaged', 'set-truncated')) throw error;
    const facts = { ...error.facts, framing: true };
    return {
      place: source.place,
      record: null,
      problem: new RemetalError(error.code, error.message, { facts }),
    };
  }
  if (member === null) return null;
  const { place } = source;
  try {
    const record = decodeRecord(member);
    if (setId === null || record.header.setId.equals(setId)) return { place, record, problem: null };
    return { place, record: null, problem: foreign(place) };
  } catch (error) {
    if (!isCoded(error, 'record-damaged')) throw error;
    const facts = { ...error.facts, part: place.part + 1, offset: place.offset };
    return {
      place,
      record: null,
      problem: new RemetalError(error.code, error.message, { facts, cause: error }),
    };
  }
}

function foreign(place: RecordPlace): RemetalError {
  return new RemetalError('record-misplaced', 'Record belongs to another set.', {
    facts: { part: place.part + 1, offset: place.offset },
  });
}

/** What scanning a set gave: the same as its contents record and index say, from the records themselves. */
export interface Scan {
  readonly contents: Contents;
  /** From a label, when no head record was found. */
  readonly labels: readonly RecordPlace[];
  readonly places: PlaceIndex;
  /** One more than the highest ordinal seen. */
  readonly nextOrdinal: number;
  readonly problems: readonly RemetalError[];
}

/** Finds the records of a set by reading all of it. */
export async function scanSet(source: RecordSource, setId: Buffer | null, setIdText: string): Promise<Scan> {
  const places = new PlaceIndex(source.bytes);
  const problems = new ProblemList();
  const labels: RecordPlace[] = [];
  const contents = new FoundContents();
  let nextOrdinal = 0;
  for await (const { place, record, problem } of walk(source, setId)) {
    if (problem !== null) problems.push(problem);
    if (record === null) continue;
    const { kind, ordinal } = record.header;
    if (kind === 'label') labels.push(place);
    if (unnumberedKinds.has(kind) || places.get(ordinal) !== null) continue;
    places.set(ordinal, place);
    nextOrdinal = Math.max(nextOrdinal, ordinal + 1);
    contents.met(record.header, place);
  }
  return { contents: contents.contents(setIdText), labels, places, nextOrdinal, problems: problems.items };
}
