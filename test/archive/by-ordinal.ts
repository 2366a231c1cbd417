import { decodeRecord } from '../../src/archive/record.ts';
import { unnumberedKinds } from '../../src/archive/structures.ts';
import { isCoded, RemetalError } from '../../src/errors/index.ts';
import { memoryMedium, type MemoryMedium, type RecordPlace } from '../../src/medium/index.ts';

export interface OrdinalMedium {
  readonly medium: MemoryMedium;
  /** Ordinals in the order in which they were asked for; `last` for the closing record. */
  readonly asked: (number | 'last')[];
  /** Ordinals that cannot be read. */
  readonly unreadable: Set<number>;
}

/** A medium in memory whose sets are found by ordinal and read from the front, as on a tape. */
export function ordinalMedium(partSize?: number): OrdinalMedium {
  const inner = memoryMedium(partSize === undefined ? {} : { partSize });
  const asked: (number | 'last')[] = [];
  const unreadable = new Set<number>();
  const medium: MemoryMedium = {
    ...inner,
    async open(name) {
      const source = await inner.open(name);
      const places = new Map<number, RecordPlace>();
      const scan = await inner.open(name);
      for (let part = 0; part < scan.parts; part++) {
        await scan.seek({ part, offset: 0 });
        for (;;) {
          const member = await scan.next().catch((error: unknown) => {
            if (isCoded(error, 'record-damaged')) return undefined;
            throw error;
          });
          if (member === null) break;
          if (member === undefined) continue;
          try {
            const { header } = decodeRecord(member);
            if (!unnumberedKinds.has(header.kind)) places.set(header.ordinal, scan.place);
          } catch (error) {
            if (!isCoded(error, 'record-damaged')) throw error;
          }
        }
      }
      const record = async (ordinal: number): Promise<Buffer | null> => {
        asked.push(ordinal);
        const place = places.get(ordinal);
        if (unreadable.has(ordinal)) throw new RemetalError('record-damaged', `Record ${ordinal} is torn.`);
        if (place === undefined) return null;
        await source.seek(place);
        return source.next();
      };
      return {
        parts: source.parts,
        missing: source.missing,
        committed: source.committed,
        bytes: source.bytes,
        get place() {
          return source.place;
        },
        next: () => source.next(),
        seek: (place) => source.seek(place),
        record,
        last: () => {
          asked.push('last');
          return source.last();
        },
        close: () => source.close(),
      };
    },
  };
  return { medium, asked, unreadable };
}
