import { isCoded, RemetalError } from '../errors/index.ts';
import type { Medium, RecordSource, SetOnMedium } from '../medium/medium.ts';
import { decodeDocument, labelSchema, setIdBytes, setIdText } from './documents.ts';
import { endOf, lookAtEnds } from './open.ts';
import { plainOf, type StoredRecord } from './record.ts';
import type { ChainLink, SetHead } from './set.ts';
import { isDamage, SetSource } from './set-source.ts';

/** A set of the chain on the medium it was found on. */
interface FoundLink {
  readonly medium: Medium;
  readonly set: SetOnMedium;
}

/**
 * The earlier sets that an incremental one points into. Each is checked to be the one that was meant, and opened
 * when its first record is asked for.
 */
export class Chain {
  readonly #name: string;
  readonly #links: readonly ChainLink[];
  readonly #media: readonly Medium[];
  #lists: Promise<readonly (readonly SetOnMedium[])[]> | null = null;
  /** Those opened, by their place in the chain, from 0. */
  readonly #opened = new Map<number, Promise<SetSource>>();

  /** `name` is that of the set whose chain it is; its sets are looked for on the media in their order. */
  constructor(name: string, { chain }: SetHead, media: readonly Medium[]) {
    this.#name = name;
    this.#links = chain;
    this.#media = media;
  }

  /**
   * Throws unless every set of the chain is there and is the one that was meant: `chain-link-missing`,
   * `chain-link-foreign`, `chain-out-of-order`. Media that have to be moved are only asked what they know.
   */
  async check(): Promise<void> {
    for (const number of this.#links.keys()) {
      const { medium, set } = await this.#find(number);
      if (set.made !== undefined) this.#compareIds(number, set.made.setId);
      else await this.#compare(number, medium);
    }
  }

  /** The record of a set of the chain, `link` from 1. Throws what `check` throws and `record-damaged`. */
  async record(link: number, ordinal: number): Promise<StoredRecord> {
    const number = link - 1;
    if (this.#links[number] === undefined) {
      throw new RemetalError(
        'record-damaged',
        `A block map of ${this.#name} names set ${link} of its chain, which has ${this.#links.length}.`,
      );
    }
    let opened = this.#opened.get(number);
    if (opened === undefined) this.#opened.set(number, (opened = this.#open(number)));
    const records = await opened;
    try {
      return await records.numbered(ordinal, ['control', 'data']);
    } catch (error) {
      if (!isDamage(error)) throw error;
      const { name } = this.#links[number];
      throw new RemetalError(error.code, `Set ${name} of the chain: ${error.message}`, {
        facts: { ...error.facts, chainSet: name },
        cause: error,
      });
    }
  }

  async close(): Promise<void> {
    const all = await Promise.allSettled(this.#opened.values());
    for (const one of all) if (one.status === 'fulfilled') await one.value.close();
  }

  async #find(number: number): Promise<FoundLink> {
    this.#lists ??= Promise.all(this.#media.map(async (medium) => await listed(medium)));
    const { name } = this.#links[number]!;
    let unfinished = false;
    for (const [i, sets] of (await this.#lists).entries()) {
      const set = sets.find((one) => one.name === name);
      if (set !== undefined && (set.complete || set.continues === true))
        return { medium: this.#media[i]!, set };
      unfinished ||= set !== undefined;
    }
    throw new RemetalError(
      'chain-link-missing',
      unfinished
        ? `Set ${this.#name} needs the earlier set ${name}, which is not whole.`
        : `Set ${this.#name} needs the earlier set ${name}, which is not there.`,
      {
        hint: 'Bring it back beside the others, or name the place it lies in with --chain-at.',
        facts: { ...this.#facts(number), places: this.#media.map((medium) => medium.name) },
      },
    );
  }

  #facts(number: number): Record<string, unknown> {
    const { name, setId } = this.#links[number]!;
    return { set: this.#name, needs: name, setId, number: number + 1, links: this.#links.length };
  }

  #compareIds(number: number, setId: string): void {
    const link = this.#links[number]!;
    if (link.setId === setId) return;
    const other = this.#links.find((one) => one.setId === setId);
    if (other === undefined) throw this.#foreign(number);
    throw new RemetalError(
      'chain-out-of-order',
      `What is called ${link.name} is ${other.name}, another set of the chain of ${this.#name}.`,
      {
        hint: 'Give the sets the names back that they were made with.',
        facts: { ...this.#facts(number), found: other.name },
      },
    );
  }

  #foreign(number: number): RemetalError {
    const { name } = this.#links[number]!;
    return new RemetalError(
      'chain-link-foreign',
      `What is called ${name} is not the set that ${this.#name} builds on.`,
      { hint: 'Bring back the set that was there when the backup was made.', facts: this.#facts(number) },
    );
  }

  async #compare(number: number, medium: Medium): Promise<void> {
    const { name, digest } = this.#links[number]!;
    const source = await medium.open(name);
    try {
      const ends = await lookAtEnds(source, name);
      const end = await endOf(source, name, ends);
      this.#compareIds(number, end.setId);
      if (end.digest !== digest) throw this.#foreign(number);
      const head =
        ends.first instanceof RemetalError || ends.first === null ? null : await labelOf(ends.first);
      if (head !== null) this.#compareChains(number, head);
    } finally {
      await source.close();
    }
  }

  /** Every set of a chain points into those in front of it. */
  #compareChains(number: number, { chain }: SetHead): void {
    const before = this.#links.slice(0, number).map(({ setId }) => setId);
    const known = chain.map(({ setId }) => setId);
    if (known.every((setId, i) => setId === before[i]) && known.length <= before.length) return;
    throw new RemetalError(
      'chain-out-of-order',
      `The earlier sets of ${this.#links[number]!.name} are not those that ${this.#name} names in front of it.`,
      {
        hint: 'Restore an earlier set of the chain, or the last full one.',
        facts: { ...this.#facts(number), found: known },
      },
    );
  }

  async #open(number: number): Promise<SetSource> {
    const { medium } = await this.#find(number);
    const { name, setId } = this.#links[number]!;
    const source = await medium.open(name);
    try {
      return await sourceOf(source, name, setIdBytes(setId));
    } catch (error) {
      await source.close();
      throw error;
    }
  }
}

/** The records of a set, found by its contents; where those are damaged, by scanning when they are needed. */
async function sourceOf(source: RecordSource, name: string, setId: Buffer): Promise<SetSource> {
  const records = new SetSource(source, setId);
  if (source.record !== undefined) return records;
  try {
    await records.follow(await endOf(source, name, await lookAtEnds(source, name)));
  } catch (error) {
    if (!isDamage(error)) throw error;
  }
  return records;
}

async function listed(medium: Medium): Promise<readonly SetOnMedium[]> {
  try {
    return await medium.list();
  } catch (error) {
    if (isCoded(error, 'medium-not-found', 'drive-empty')) return [];
    throw error;
  }
}

async function labelOf(record: StoredRecord): Promise<SetHead | null> {
  if (record.header.kind !== 'label') return null;
  try {
    const { head, setId } = decodeDocument((await plainOf(record)) ?? Buffer.alloc(0), labelSchema, 'label');
    return setId === setIdText(record.header.setId) ? head : null;
  } catch (error) {
    if (!isDamage(error)) throw error;
    return null;
  }
}
