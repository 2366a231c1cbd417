import type { RecordPlace } from '../medium/medium.ts';
import type { Contents, Place } from './documents.ts';
import type { RecordHeader } from './header.ts';
import { checksumLength, tablePieceLength } from './structures.ts';

type MutableVolume = {
  -readonly [Key in keyof Contents['volumes'][number]]: Contents['volumes'][number][Key];
};

const listed = ['head', 'layout', 'sums', 'checksums', 'exceptions', 'totals', 'index'] as const;
type Listed = (typeof listed)[number];

/** What the contents record of a set says, from the records themselves as they are met. */
export class FoundContents {
  readonly #lists: Record<Listed, Place[]> = {
    head: [],
    layout: [],
    sums: [],
    checksums: [],
    exceptions: [],
    totals: [],
    index: [],
  };
  readonly #volumes = new Map<number, MutableVolume>();
  #tableEntries: number | null = null;
  #sumEntries: number | null = null;

  /** A numbered record was met for the first time. */
  met(header: RecordHeader, place: RecordPlace): void {
    const { kind, ordinal, volume: number, copy, index } = header;
    if (kind === 'checksums' && index > 0) this.#tableEntries = Math.min(this.#tableEntries ?? index, index);
    if (kind === 'sums' && index > 0) this.#sumEntries = Math.min(this.#sumEntries ?? index, index);
    if (number === null) {
      const list = listed.find((name) => name === kind);
      if (list !== undefined) this.#lists[list].push({ ordinal, ...place });
      return;
    }
    const volume = this.#volumes.get(number) ?? newVolume(number);
    this.#volumes.set(number, volume);
    if (kind === 'map') (copy ? volume.copies : volume.maps).push({ ordinal, ...place });
    else volume.firstOrdinal = ordinal - index;
  }

  contents(setId: string): Contents {
    const most = tablePieceLength / checksumLength;
    const checksumEntries = this.#tableEntries ?? most;
    const sumEntries = this.#sumEntries ?? most;
    return {
      format: 1,
      setId,
      ...this.#lists,
      checksumEntries,
      sumEntries,
      volumes: [...this.#volumes.values()],
    };
  }
}

function newVolume(number: number): MutableVolume {
  return { volume: '', number, maps: [], copies: [], firstOrdinal: 0, groups: 0 };
}
