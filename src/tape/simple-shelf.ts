import { randomUUID } from 'node:crypto';
import { isCoded, RemetalError } from '../errors/index.ts';
import type { Notice } from '../progress/index.ts';
import type { Cartridges, LoadedCartridge, WantedPart } from './cartridges.ts';
import { readContents, type CartridgeContents } from './contents.ts';
import type { TapeDrive } from './drive.ts';
import { labelCartridge } from './labelling.ts';
import type { Loader, StoredCartridge } from './loader.ts';
import type { CartridgeRequest, TapeOperator } from './operator.ts';

export interface ShelfOptions {
  readonly drive: TapeDrive;
  /** Null where a person changes cartridges. */
  readonly loader: Loader | null;
  /** Null where nobody can be asked. */
  readonly operator: TapeOperator | null;
  readonly tell: (notice: Notice) => void;
  /** Told of every cartridge whose contents were read. */
  readonly seen?: (contents: CartridgeContents, barcode: string | null) => Promise<void>;
  readonly now?: () => Date;
}

type WritingRequest = Parameters<Cartridges['forWriting']>[0];

/** What makes a changer pass a cartridge over and a person be asked for another one. */
const unsuitable = [
  'cartridge-full',
  'cartridge-protected',
  'cartridge-unlabelled',
  'cartridge-wrong',
  'changer-failed',
  'drive-empty',
  'drive-failed',
  'drive-not-ready',
  'foreign-cartridge',
  'block-unreadable',
  'position-lost',
  'set-too-new',
] as const;

/** The cartridges of a changer, or of the person beside the drive. */
export class Shelf implements Cartridges {
  readonly drive: TapeDrive;
  readonly #options: ShelfOptions;
  #current: CartridgeContents | null = null;
  /** Where the cartridge in the drive came from; null for one that was there. */
  #inDrive: StoredCartridge | null = null;
  /** What was found on the changer's cartridges, by barcode or slot. */
  readonly #known = new Map<string, CartridgeContents | 'unusable'>();
  /** Those that this run has filled. */
  readonly #filled = new Set<string>();

  constructor(options: ShelfOptions) {
    this.#options = options;
    this.drive = options.drive;
  }

  async current(): Promise<CartridgeContents> {
    if (this.#current !== null && (await this.drive.isLoaded())) return this.#current;
    this.#current = null;
    if (!(await this.drive.isLoaded())) {
      throw new RemetalError('drive-empty', `No cartridge is in the tape drive ${this.drive.name}.`, {
        hint: 'Put one in.',
        facts: { drive: this.drive.name },
      });
    }
    if (this.drive.position === null) await this.drive.ready('read');
    await this.#tellAlerts();
    const contents = await readContents(this.drive);
    this.#current = contents;
    if (this.#inDrive !== null) this.#known.set(keyOf(this.#inDrive), contents);
    await this.#options.seen?.(contents, this.#inDrive?.barcode ?? contents.label?.barcode ?? null);
    return contents;
  }

  changed(): void {
    this.#current = null;
    if (this.#inDrive !== null) this.#known.delete(keyOf(this.#inDrive));
  }

  async #tellAlerts(): Promise<void> {
    for (const { flag, severity, words } of await this.drive.alerts()) {
      this.#options.tell({
        level: severity === 'info' ? 'info' : 'warning',
        code: 'tape-alert',
        message: `${this.drive.name}: ${words}`,
        facts: { drive: this.drive.name, flag, severity },
      });
    }
  }

  async forWriting(request: WritingRequest): Promise<LoadedCartridge> {
    // The one in the drive is the one that has just become full.
    const first = request.part === 1 && (await this.drive.isLoaded());
    if (!first && this.#inDrive !== null) this.#filled.add(keyOf(this.#inDrive));
    let refused = first ? await this.#attempt(() => this.#prepare(request)) : null;
    if (refused !== null && !isRefusal(refused)) return refused;
    const { loader } = this.#options;
    for (const stored of (await loader?.stored()) ?? []) {
      const known = this.#known.get(keyOf(stored));
      if (known === 'unusable' || this.#filled.has(keyOf(stored))) continue;
      if (known !== undefined && hasNoRoom(known, request.setId)) continue;
      const result = await this.#attempt(async () => {
        await this.#bring(stored);
        return await this.#prepare(request);
      });
      if (!isRefusal(result)) return result;
      this.#passOver(stored, result);
      refused = result;
    }
    const wanted =
      request.part === 1 ? 'a cartridge with room' : `a cartridge with room for part ${request.part}`;
    return await this.#ask({ purpose: 'write', wanted, label: null }, refused, () => this.#prepare(request));
  }

  /** The cartridge in the drive, made ready for a part. Throws why it cannot be. */
  async #prepare({ setId, recordLimit }: WritingRequest): Promise<LoadedCartridge> {
    await this.drive.ready('write');
    let contents = await this.current();
    if (contents.blank) {
      const barcode = this.#inDrive?.barcode ?? (await this.#options.loader?.loadedBarcode()) ?? null;
      const name = barcode ?? `REMETAL-${randomUUID().slice(0, 6).toUpperCase()}`;
      const now = this.#options.now?.() ?? new Date();
      await labelCartridge(this.drive, { name, barcode, force: false, now });
      this.#options.tell({
        level: 'info',
        code: 'cartridge-labelled',
        message: `A blank cartridge was labelled ${name}`,
        facts: { label: name, barcode },
      });
      this.changed();
      contents = await this.current();
    }
    const { label, foreign } = contents;
    if (foreign !== null || label === null) {
      throw new RemetalError('foreign-cartridge', `The cartridge holds ${foreign ?? 'no label of ours'}.`, {
        hint: 'Use another cartridge; `remetal tape label --force` overwrites it.',
        facts: { foreign },
      });
    }
    if (hasNoRoom(contents, setId)) {
      throw new RemetalError('cartridge-full', `Cartridge ${label.name} is full.`, {
        facts: { label: label.name },
      });
    }
    if (label.recordLimit < (recordLimit ?? 0)) {
      throw new RemetalError(
        'cartridge-wrong',
        `Cartridge ${label.name} was labelled for shorter blocks than the set has.`,
        { hint: 'Label it anew.', facts: { label: label.name, recordLimit: label.recordLimit } },
      );
    }
    return { label, contents };
  }

  async forReading(wanted: WantedPart): Promise<LoadedCartridge> {
    const take = async (): Promise<LoadedCartridge> => this.#holding(wanted);
    let refused: RemetalError | null = null;
    if (await this.drive.isLoaded()) {
      const result = await this.#attempt(take);
      if (!isRefusal(result)) return result;
      refused = result;
    }
    for (const stored of await this.#searchOrder(wanted)) {
      const result = await this.#attempt(async () => {
        await this.#bring(stored);
        return await take();
      });
      if (!isRefusal(result)) return result;
      if (result.code !== 'cartridge-wrong') this.#passOver(stored, result);
    }
    const what = `part ${wanted.part} of ${wanted.set}`;
    return await this.#ask({ purpose: 'read', wanted: what, label: null }, refused, take);
  }

  /** The changer's cartridges that may hold a part: the one known to, else all that were not looked at. */
  async #searchOrder(wanted: WantedPart): Promise<StoredCartridge[]> {
    const stored = (await this.#options.loader?.stored()) ?? [];
    const known = stored.find((one) => {
      const contents = this.#known.get(keyOf(one));
      return contents !== undefined && contents !== 'unusable' && holds(contents, wanted);
    });
    return known === undefined ? stored.filter((one) => !this.#known.has(keyOf(one))) : [known];
  }

  async #holding(wanted: WantedPart): Promise<LoadedCartridge> {
    if (this.drive.position === null) await this.drive.ready('read');
    const contents = await this.current();
    const { label } = contents;
    if (label !== null && holds(contents, wanted)) return { label, contents };
    const parts = contents.parts.map(({ set, part }) => `part ${part} of ${set}`);
    const what = parts.length > 0 ? parts.join(', ') : (contents.foreign ?? 'no set');
    throw new RemetalError(
      'cartridge-wrong',
      `${label === null ? 'The cartridge' : `Cartridge ${label.name}`} holds ${what}, not part ${wanted.part} of ${wanted.set}.`,
      { facts: { label: label?.name, holds: parts, ...wanted } },
    );
  }

  async survey(): Promise<CartridgeContents[]> {
    const found: CartridgeContents[] = [];
    if (await this.drive.isLoaded()) {
      const result = await this.#attempt(() => this.current());
      if (!isRefusal(result)) found.push(result);
    }
    for (const stored of (await this.#options.loader?.stored()) ?? []) {
      const known = this.#known.get(keyOf(stored));
      if (known === 'unusable') continue;
      if (known !== undefined) {
        found.push(known);
        continue;
      }
      const result = await this.#attempt(async () => {
        await this.#bring(stored);
        return await this.current();
      });
      if (isRefusal(result)) this.#passOver(stored, result);
      else found.push(result);
    }
    return found;
  }

  async #bring(stored: StoredCartridge): Promise<void> {
    if (this.drive.position !== null) await this.#tellAlerts();
    this.#current = null;
    this.#inDrive = null;
    await this.#options.loader!.bring(stored.slot);
    this.#inDrive = stored;
    this.#options.tell({
      level: 'info',
      code: 'cartridge-loaded',
      message: `Cartridge ${stored.barcode ?? 'without a barcode'} of slot ${stored.slot} is in the drive`,
      facts: { slot: stored.slot, barcode: stored.barcode, drive: this.drive.name },
    });
  }

  #passOver(stored: StoredCartridge, why: RemetalError): void {
    if (why.code !== 'changer-failed') this.#known.set(keyOf(stored), 'unusable');
    this.#options.tell({
      level: why.code === 'cartridge-full' ? 'info' : 'warning',
      code: 'cartridge-passed-over',
      message: `Cartridge ${stored.barcode ?? `in slot ${stored.slot}`} is passed over: ${why.message}`,
      facts: { slot: stored.slot, barcode: stored.barcode, code: why.code },
    });
  }

  async #attempt<T>(work: () => Promise<T>): Promise<T | RemetalError> {
    try {
      return await work();
    } catch (error) {
      if (!isCoded(error, ...unsuitable)) throw error;
      await this.drive.release().catch(() => {});
      this.#current = null;
      return error;
    }
  }

  /** Asks for a cartridge until `take` accepts what is in the drive. */
  async #ask<T>(
    request: Pick<CartridgeRequest, 'purpose' | 'wanted' | 'label'>,
    why: RemetalError | null,
    take: () => Promise<T>,
  ): Promise<T> {
    const { operator, loader } = this.#options;
    let refused = why;
    for (let attempt = 0; ; attempt++) {
      if (operator === null) throw cartridgeNeeded(request.wanted, this.drive.name, refused);
      await this.#letGo();
      const facts = { drive: this.drive.name, barcode: null, refused, attempt };
      await operator.change({ ...request, ...facts }, () => this.drive.isLoaded());
      if (loader !== null && !(await this.drive.isLoaded())) {
        // What was put into the changer is looked at like what was there before.
        const fresh = (await loader.stored()).filter((one) => !this.#known.has(keyOf(one)));
        for (const stored of fresh) {
          const result = await this.#attempt(async () => {
            await this.#bring(stored);
            return await take();
          });
          if (!isRefusal(result)) return result;
          this.#passOver(stored, result);
          refused = result;
        }
        continue;
      }
      const result = await this.#attempt(take);
      if (!isRefusal(result)) return result;
      refused = result;
    }
  }

  async #letGo(): Promise<void> {
    this.#current = null;
    const { loader } = this.#options;
    if (loader !== null) {
      this.#inDrive = null;
      await loader.putAway();
    } else if (await this.drive.isLoaded()) await this.drive.eject();
    else await this.drive.release();
  }

  async close(): Promise<void> {
    await this.drive.release();
  }
}

function isRefusal<T>(result: T | RemetalError): result is RemetalError {
  return result instanceof RemetalError;
}

function keyOf({ slot, barcode }: StoredCartridge): string {
  return barcode ?? `slot ${slot}`;
}

function holds({ parts }: CartridgeContents, { set, setId, part }: WantedPart): boolean {
  return parts.some((one) => one.set === set && one.setId === setId && one.part === part);
}

function hasNoRoom({ full, parts }: CartridgeContents, setId: string): boolean {
  return full || parts.some((part) => part.setId === setId && part.ends !== 'open');
}

/** The error where a cartridge is wanted and nobody brings it. */
export function cartridgeNeeded(wanted: string, drive: string, cause: RemetalError | null): RemetalError {
  const why = cause === null ? '' : ` ${cause.message}`;
  return new RemetalError('cartridge-needed', `${drive} needs ${wanted}.${why}`, {
    hint: 'Put it into the drive or the changer and run the command again.',
    facts: { wanted, drive },
    ...(cause === null ? {} : { cause }),
  });
}
