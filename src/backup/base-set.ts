import { loadSince, openSet, type Since } from '../archive/index.ts';
import type { Medium } from '../medium/medium.ts';
import { nativeCodec } from '../system/index.ts';
import { sumSpool } from './sum-spool.ts';

/** A set that an incremental backup builds on, as far as it is needed. */
export interface BaseSet {
  readonly name: string;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  readonly since: Since;
}

/**
 * Reads what an incremental backup needs of the set it builds on; the medium is free then.
 *
 * @param chain Where the sets are looked for that it builds on in its turn: a backup must not build on what is lost.
 * @throws What opening a set throws, and `chain-base-unfit`.
 */
export async function readBase(medium: Medium, name: string, chain: readonly Medium[]): Promise<BaseSet> {
  const reader = await openSet(medium, name, { codec: nativeCodec(), chain });
  try {
    return { name, createdAt: reader.head.createdAt, since: await loadSince(reader, sumSpool) };
  } finally {
    await reader.close();
  }
}
