import { isCoded, RemetalError } from '../errors/index.ts';
import { openMedium, type Medium } from '../medium/index.ts';
import type { TapeOperator } from '../tape/index.ts';
import type { FoundSet } from './media.ts';
import type { TapeOfMachine } from './machine.ts';
import type { AgentWorld } from './world.ts';

/**
 * The tape drives of the machine as media. Each is opened once and kept, so that what is on its cartridges is
 * looked at once; `close` lets go of all that were not kept.
 */
export class Tapes {
  readonly #world: AgentWorld;
  readonly #operator: TapeOperator;
  readonly #open = new Map<string, Medium>();
  readonly #told = new Set<string>();

  constructor(world: AgentWorld, operator: TapeOperator) {
    this.#world = world;
    this.#operator = operator;
  }

  /** The drives that `value` means: a serial, or `any`. Tells of each once. */
  async drives(value = 'any'): Promise<TapeOfMachine[]> {
    const { console, machine } = this.#world;
    const drives = await machine.tapes();
    for (const { path, serial, model } of drives) {
      if (this.#told.has(path)) continue;
      this.#told.add(path);
      console.event('tape-drive', { path, serial, model });
    }
    for (const { path, serial, model } of drives.length === 0 ? [] : await machine.changers()) {
      if (this.#told.has(path)) continue;
      this.#told.add(path);
      console.event('tape-changer', { path, serial, model });
    }
    return value === 'any' ? drives : drives.filter(({ serial }) => serial === value);
  }

  /** The one drive that `value` means. Throws `drive-not-found`, `target-ambiguous`. */
  async drive(value: string): Promise<TapeOfMachine> {
    const drives = await this.drives(value);
    if (drives.length === 1) return drives[0]!;
    const facts = { wanted: value, drives: drives.map(({ path, serial }) => ({ path, serial })) };
    if (drives.length === 0) {
      throw new RemetalError('drive-not-found', `No tape drive is ${value === 'any' ? 'attached' : value}.`, {
        hint: 'Attach it and switch it on.',
        facts,
      });
    }
    throw new RemetalError('target-ambiguous', `${drives.length} tape drives are attached.`, {
      hint: 'Name the one to use by its serial, as tape:SERIAL.',
      facts,
    });
  }

  /** The drive as a medium, opened once. */
  medium({ address }: TapeOfMachine): Medium {
    let medium = this.#open.get(address);
    if (medium === undefined) {
      const { console, signal } = this.#world;
      medium = openMedium(address, {
        tape: {
          operator: this.#operator,
          tell: ({ level, code, message }) => console.event('notice', { level, code, message }),
          signal,
        },
      });
      this.#open.set(address, medium);
    }
    return medium;
  }

  /**
   * The sets on the cartridges that the drives can get, whole ones and those that go on elsewhere. Nothing where
   * a drive is empty. Throws what a drive or changer throws.
   */
  async sets(value = 'any'): Promise<FoundSet[]> {
    const found: FoundSet[] = [];
    for (const drive of await this.drives(value)) {
      const medium = this.medium(drive);
      const sets = await medium.list().catch((error: unknown) => {
        if (isCoded(error, 'drive-empty')) return [];
        throw error;
      });
      for (const { name, complete, continues, made, bytes } of sets) {
        if ((!complete && continues !== true) || made === undefined) continue;
        found.push({
          name,
          place: drive.address,
          on: null,
          label: `tape in ${drive.serial ?? drive.path}`,
          machine: made.name,
          createdAt: made.createdAt,
          note: '',
          bytes,
          open: () => medium,
        });
      }
    }
    return found;
  }

  /** Leaves a drive to who goes on with it: `close` passes it over. */
  keep(address: string): void {
    this.#open.delete(address);
  }

  async close(): Promise<void> {
    for (const medium of this.#open.values()) await medium.close();
    this.#open.clear();
  }
}
