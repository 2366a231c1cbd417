import { RemetalError } from '../errors/index.ts';
import type { Medium, RecordSink } from './medium.ts';

export interface MediumFaults {
  /** Bytes after which the medium is full for good: `medium-full`. */
  readonly fullAfter?: number;
  /** Bytes after which every write fails: `medium-failed`. */
  readonly writeErrorAfter?: number;
  /** Called before each record; may wait, to make the medium slow, or throw. */
  readonly beforeAppend?: (bytesSoFar: number) => Promise<void>;
}

/** A medium over another that fails as asked. */
export function faultyMedium(medium: Medium, faults: MediumFaults): Medium {
  return {
    name: medium.name,
    recordLimit: () => medium.recordLimit(),
    list: () => medium.list(),
    create: async (name, setId) => faultySink(await medium.create(name, setId), medium.name, faults),
    open: (name) => medium.open(name),
    close: () => medium.close(),
  };
}

function faultySink(sink: RecordSink, name: string, faults: MediumFaults): RecordSink {
  let bytes = 0;
  return {
    append: async (pieces) => {
      await faults.beforeAppend?.(bytes);
      const after = bytes + pieces.reduce((sum, piece) => sum + piece.length, 0);
      if (after > (faults.fullAfter ?? Infinity)) {
        throw new RemetalError('medium-full', `Medium ${name} is full.`, { facts: { writtenBytes: bytes } });
      }
      if (after > (faults.writeErrorAfter ?? Infinity)) {
        throw new RemetalError('medium-failed', `Medium ${name} failed.`, { facts: { writtenBytes: bytes } });
      }
      const place = await sink.append(pieces);
      if (place !== 'end-of-medium') bytes = after;
      return place;
    },
    nextPart: () => sink.nextPart(),
    commit: () => sink.commit(),
    abort: () => sink.abort(),
  };
}
