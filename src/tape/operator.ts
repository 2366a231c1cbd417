import type { RemetalError } from '../errors/index.ts';

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
