import { openMedium, type Medium } from '../../src/medium/index.ts';
import type { TapeOperator } from '../../src/tape/index.ts';
import { createLibrary, type CartridgeDescription, type Faults } from '../../src/tape/virtual/index.ts';

export const KiB = 1024;
export const MiB = 1024 * KiB;

/** A virtual library of one drive, and media over it. */
export interface Shelf {
  readonly address: string;
  readonly folder: string;
  readonly told: string[];
  medium(operator?: TapeOperator): Medium;
}

export interface ShelfRequest {
  readonly cartridges: Readonly<Record<string, CartridgeDescription>>;
  /** Storage slots of the changer; 0 for a lone drive. */
  readonly slots?: number;
  readonly faults?: Faults;
}

/** Makes a library in a folder; with a changer unless `slots` is 0. */
export async function shelf(folder: string, request: ShelfRequest): Promise<Shelf> {
  const { cartridges, slots = Object.keys(cartridges).length, faults = {} } = request;
  await createLibrary(folder, { drives: [{ faults }], slots, cartridges });
  const told: string[] = [];
  const address = `tape+file:${folder}`;
  return {
    address,
    folder,
    told,
    medium: (operator) =>
      openMedium(address, {
        tape: {
          bufferBytes: 4 * MiB,
          tell: ({ code }) => void told.push(code),
          ...(operator === undefined ? {} : { operator }),
        },
      }),
  };
}
