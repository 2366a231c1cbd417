import { RemetalError } from '../errors/index.ts';
import type { WantedPart } from './cartridges.ts';
import type { CartridgeContents, PartOnCartridge } from './contents.ts';

/** What a cartridge for writing must be. */
export interface WritingRequest {
  readonly setId: string;
  /** From 1. */
  readonly part: number;
  /** Longest record that will be written, bytes; null where any cartridge's own limit will do. */
  readonly recordLimit: number | null;
}

/** Cartridges that clean drives are told by their barcodes (LTO bar code label specification). */
export function isCleaning(barcode: string | null): boolean {
  return barcode?.startsWith('CLN') ?? false;
}

/** Whether a cartridge holds a part. */
export function holds(
  parts: readonly Pick<PartOnCartridge, 'set' | 'setId' | 'part'>[],
  wanted: WantedPart,
): boolean {
  return parts.some(
    ({ set, setId, part }) => set === wanted.set && setId === wanted.setId && part === wanted.part,
  );
}

/** Why a cartridge cannot take a part, as the error a person is shown; null for one that can, blank ones included. */
export function whyUnfit(
  contents: CartridgeContents,
  { setId, recordLimit }: WritingRequest,
  writeOnce: boolean,
): RemetalError | null {
  const { label, blank, foreign, parts, full } = contents;
  if (blank) return null;
  const facts = { cartridge: label?.name ?? null, barcode: label?.barcode ?? null };
  if (label === null || foreign !== null) {
    const where = label === null ? '' : ` behind the sets on ${label.name}`;
    return new RemetalError(
      'foreign-cartridge',
      `The cartridge holds ${foreign ?? 'unknown data'}${where}.`,
      {
        hint: '`remetal tape label --force` gives up what is on it.',
        facts: { ...facts, foreign },
      },
    );
  }
  if (parts.some((part) => part.setId === setId)) {
    return new RemetalError('cartridge-wrong', `Cartridge ${label.name} holds a part of this very set.`, {
      hint: 'Use another one: each part of a set has a cartridge of its own.',
      facts,
    });
  }
  if (full) {
    return new RemetalError('cartridge-full', `Cartridge ${label.name} is full.`, {
      hint: 'Use another one, or erase it if its sets are no longer wanted.',
      facts,
    });
  }
  if (writeOnce && parts.length > 0) {
    return new RemetalError(
      'cartridge-protected',
      `Cartridge ${label.name} can be written only once and holds sets already.`,
      { hint: 'Use another one.', facts },
    );
  }
  if (recordLimit !== null && label.recordLimit < recordLimit) {
    return new RemetalError(
      'cartridge-wrong',
      `Cartridge ${label.name} takes records of ${label.recordLimit} bytes; the set has longer ones.`,
      {
        hint: 'Use one that was labelled in this drive.',
        facts: { ...facts, recordLimit: label.recordLimit, wanted: recordLimit },
      },
    );
  }
  return null;
}

/** `part 1 of web1-…`, or how many parts, for the sentence that says what a cartridge is. */
function partsInWords(parts: readonly PartOnCartridge[]): string {
  const last = parts.at(-1);
  if (last === undefined) return 'without any set';
  const words = `with part ${last.part} of ${last.set}`;
  if (parts.length === 1) return words;
  return `${words} and ${parts.length === 2 ? 'another part' : `${parts.length - 1} other parts`}`;
}

/** What a cartridge is, for who put it in: `DAILY-3 with part 1 of web1-…`. */
export function whatItIs({ label, blank, foreign, parts }: CartridgeContents): string {
  if (blank) return 'a blank cartridge';
  if (label === null) return `a cartridge with ${foreign ?? 'unknown data'}`;
  return `${label.name} ${partsInWords(parts)}`;
}

/** That a cartridge is not the one that holds a part. */
export function notTheOne(contents: CartridgeContents, wanted: WantedPart): RemetalError {
  const { label } = contents;
  const same = contents.parts.at(-1)?.set === wanted.set;
  const what = same ? `part ${wanted.part}` : `part ${wanted.part} of ${wanted.set}`;
  return new RemetalError('cartridge-wrong', `This is ${whatItIs(contents)}; ${what} is wanted.`, {
    facts: { cartridge: label?.name ?? null, barcode: label?.barcode ?? null, ...wanted },
  });
}
