import { tarEndLength } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import { isClosed } from './closed.ts';
import { limitedPart, recordLimitFor, type PartLimit } from './limit.ts';
import { checkSetName } from './names.ts';
import type { Medium, RecordPlace, RecordSink, RecordSource, SetOnMedium } from './medium.ts';
import { PartSource } from './source.ts';

export interface MemoryMedium extends Medium {
  /** The bytes of the parts of a set, for tests that look at or damage them. */
  bytes(name: string): Buffer[];
  /** Puts a set there as it would be found, committed. */
  put(name: string, parts: readonly Buffer[]): void;
}

/** A medium that keeps its sets in memory. `partSize` makes sets span several parts. */
export function memoryMedium(options: { readonly partSize?: number } = {}): MemoryMedium {
  const sets = new Map<string, { parts: Buffer[]; committed: boolean }>();
  const limit = options.partSize ?? Number.MAX_SAFE_INTEGER;
  const recordLimit = recordLimitFor(limit);

  const source = (name: string): RecordSource => {
    const set = sets.get(name);
    if (set === undefined) {
      throw new RemetalError('no-such-set', `Memory holds no set ${name}.`, { facts: { name } });
    }
    return new PartSource({
      name,
      committed: set.committed,
      recordLimit: recordLimitFor(Number.MAX_SAFE_INTEGER),
      bytes: set.parts.reduce((sum, part) => sum + part.length, 0),
      parts: set.parts.map((part) => async () => ({
        size: part.length,
        read: async (target: Buffer, offset: number) => void part.copy(target, 0, offset),
        close: async () => {},
      })),
    });
  };

  return {
    name: 'memory',
    recordLimit: () => Promise.resolve(recordLimit),
    list: async () =>
      Promise.all(
        [...sets].map(async ([name, { parts, committed }]): Promise<SetOnMedium> => ({
          name,
          complete: committed && (await isClosed(source(name))),
          parts: parts.length,
          bytes: parts.reduce((sum, part) => sum + part.length, 0),
        })),
      ),
    create: async (name) => {
      checkSetName(name);
      if (sets.get(name)?.committed === true) {
        throw new RemetalError('set-exists', `Memory holds a set ${name} already.`, { facts: { name } });
      }
      const set = { parts: [] as Buffer[], committed: false };
      sets.set(name, set);
      return memorySink(set, limit);
    },
    open: async (name) => source(name),
    close: async () => {},
    bytes: (name) => sets.get(name)?.parts ?? [],
    put: (name, parts) => void sets.set(name, { parts: [...parts], committed: true }),
  };
}

function memorySink(set: { parts: Buffer[]; committed: boolean }, partSize: number): RecordSink {
  let pieces: Buffer[] = [];
  let part: PartLimit = limitedPart(partSize);
  const closePart = (): void => {
    set.parts.push(Buffer.concat([...pieces, Buffer.alloc(tarEndLength)]));
    pieces = [];
    part = limitedPart(partSize);
  };
  return {
    append: async (record): Promise<RecordPlace | 'end-of-medium'> => {
      const copy = Buffer.concat(record);
      const offset = part.take(copy.length);
      if (offset === null) return 'end-of-medium';
      pieces.push(copy);
      return { part: set.parts.length, offset };
    },
    nextPart: async () => closePart(),
    commit: async () => {
      closePart();
      set.committed = true;
    },
    abort: async () => {
      if (!set.committed && pieces.length > 0) set.parts.push(Buffer.concat(pieces));
      pieces = [];
    },
  };
}
