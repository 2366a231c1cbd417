import { RemetalError } from '../errors/index.ts';

/** What is asked of whoever changes cartridges by hand. */
export interface CartridgeRequest {
  readonly drive: string;
  readonly purpose: 'read' | 'write';
  /** What is wanted, in words: `part 2 of web1-20260314T150926Z`, `an empty cartridge`. */
  readonly wanted: string;
  /** Name on the label of the cartridge that is wanted, where it is known. */
  readonly label: string | null;
  readonly barcode: string | null;
  /** Why the cartridge that was there before is not the one; null the first time. */
  readonly refused: RemetalError | null;
  /** How many times it was asked for before. */
  readonly attempt: number;
}

/** The person who changes cartridges: the changer of last resort. */
export interface TapeOperator {
  /**
   * Resolves when another cartridge may be in the drive. `loaded` looks at the drive without touching the
   * tape, so that an implementation can notice by itself. Throws `cartridge-needed` where nobody can be
   * asked or the person gives up.
   */
  change(request: CartridgeRequest, loaded: () => Promise<boolean>): Promise<void>;
}

/** That a cartridge is wanted which nobody brings; says what was wrong with the one before. */
export function cartridgeNeeded(request: CartridgeRequest, why = 'nobody can be asked for it'): RemetalError {
  const { drive, purpose, wanted, label, barcode, refused, attempt } = request;
  const hints = {
    read: 'Put it into the drive or the changer, and try again.',
    write: 'Put a blank cartridge, or one of ours with room, into the drive or the changer, and try again.',
  };
  const before = refused === null ? '' : ` ${refused.message}`;
  return new RemetalError(
    'cartridge-needed',
    `${describeWanted(request)} in ${drive}, and ${why}.${before}`,
    {
      hint: hints[purpose],
      facts: { drive, purpose, wanted, label, barcode, attempt, refused: refused?.code ?? null },
      ...(refused === null ? {} : { cause: refused }),
    },
  );
}

/** `Part 2 of web1-…, on cartridge DAILY-3 (barcode WEB003L8), is wanted`. */
export function describeWanted({ wanted, label, barcode }: CartridgeRequest): string {
  const what = `${wanted.slice(0, 1).toUpperCase()}${wanted.slice(1)}`;
  if (label === null && barcode === null) return `${what} is wanted`;
  const onLabel = label ?? `with barcode ${barcode}`;
  const aside = label === null || barcode === null || barcode === label ? '' : ` (barcode ${barcode})`;
  return `${what}, on cartridge ${onLabel}${aside}, is wanted`;
}
