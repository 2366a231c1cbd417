import { isCoded, RemetalError } from '../errors/index.ts';
import type { TapeDrive } from './drive.ts';
import { cartridgeNeeded, type CartridgeRequest, type TapeOperator } from './operator.ts';
import type { ShelvedCartridge, Slots } from './slots.ts';

export interface AskingOptions {
  readonly drive: TapeDrive;
  /** The changer's slots, where there is a changer. */
  readonly slots: Slots | null;
  readonly operator: TapeOperator | null;
  readonly wish: CartridgeWish;
}

/** What is asked for, however often. */
export type CartridgeWish = Pick<CartridgeRequest, 'purpose' | 'wanted' | 'label' | 'barcode'>;

/** Failures of the hardware, which must not be hidden behind a cartridge that nobody brings. */
const ofHardware = ['changer-failed', 'drive-failed', 'drive-not-ready', 'position-lost'] as const;

/** Asks a person for one cartridge, as often as it takes. */
export class Asking {
  readonly #options: AskingOptions;
  #attempt = 0;

  constructor(options: AskingOptions) {
    this.#options = options;
  }

  /**
   * Resolves when another cartridge may be there. Throws `cartridge-needed` where nobody can be asked or the
   * person gives up; where nobody can be asked because of what the hardware did, that.
   */
  async change(refused: RemetalError | null): Promise<void> {
    const { drive, operator, wish } = this.#options;
    const request: CartridgeRequest = { ...wish, drive: drive.name, refused, attempt: this.#attempt };
    try {
      if (operator === null) throw cartridgeNeeded(request);
      await operator.change(request, await this.#watch());
    } catch (error) {
      const first = this.#attempt === 0 && isCoded(error, 'cartridge-needed');
      if (first && refused !== null && isCoded(refused, ...ofHardware)) throw refused;
      throw error;
    }
    this.#attempt++;
  }

  /** Looks for what a person did: a cartridge in the drive that was empty before, or a new one in a slot. */
  async #watch(): Promise<() => Promise<boolean>> {
    const { drive, slots } = this.#options;
    const isLoaded = (): Promise<boolean> => drive.isLoaded().catch(() => false);
    const inSlots = async (): Promise<readonly ShelvedCartridge[] | null> =>
      (await slots?.cartridges(true).catch(() => null)) ?? null;
    // Some drives say they are loaded when they have let go of their cartridge already.
    let wasEmpty = !(await isLoaded());
    const before = await inSlots();
    return async () => {
      const loaded = await isLoaded();
      if (!loaded) wasEmpty = true;
      if (loaded && wasEmpty) return true;
      if (before === null) return false;
      const now = (await inSlots()) ?? [];
      return now.some(
        ({ slot, barcode }) => !before.some((one) => one.slot === slot && one.barcode === barcode),
      );
    };
  }

  /** That the person has not brought a cartridge. */
  nothingNew(): RemetalError {
    const { drive, slots } = this.#options;
    if (slots === null) {
      return new RemetalError('drive-empty', `No cartridge is in the tape drive ${drive.name}.`, {
        facts: { drive: drive.name },
      });
    }
    return new RemetalError('cartridge-wrong', `No other cartridge is in the changer ${slots.name}.`, {
      facts: { changer: slots.name, drive: drive.name },
    });
  }
}
