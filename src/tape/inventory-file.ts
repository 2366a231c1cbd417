import { systemCode } from '../errors/index.ts';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Notice } from '../progress/index.ts';
import {
  emptyInventory,
  inventorySchema,
  withCartridge,
  withoutCartridge,
  type Inventory,
  type InventoryDocument,
} from './inventory.ts';
import { takeLock } from './virtual/lock.ts';

/** Name of the file in the folder that the state of this program is kept in. */
export const inventoryName = 'tape-inventory.json';

type Change = (document: InventoryDocument) => InventoryDocument;

const lockPause = 20;
const lockTries = 500;

/**
 * An inventory kept in a file. Several programs may have it open: each change is made to what the file holds
 * then. Where the file cannot be kept that is told once, and this run goes on with what it has seen itself.
 */
export function fileInventory(path: string, tell: (notice: Notice) => void): Inventory {
  /** Changes that did not get into the file. */
  const unsaved: Change[] = [];
  const told = new Set<string>();
  const tellOnce = (level: Notice['level'], code: string, message: string): void => {
    if (told.has(code)) return;
    told.add(code);
    tell({ level, code, message, facts: { path } });
  };

  const understood = (text: string): InventoryDocument => {
    const parsed = parseInventory(text);
    if (parsed !== null) return parsed;
    tellOnce(
      'warning',
      'inventory-damaged',
      `The inventory ${path} is damaged; it begins anew with the cartridges that are seen from now on`,
    );
    return emptyInventory;
  };

  const change = async (by: Change): Promise<void> => {
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o755 });
      await locked(dirname(path), async () => {
        const text = await textOf(path);
        const before = text === null ? emptyInventory : understood(text);
        // What cannot be understood may still be of use to a person.
        if (text !== null && parseInventory(text) === null) await rename(path, `${path}.damaged`);
        await replace(
          path,
          [...unsaved, by].reduce((changed, one) => one(changed), before),
        );
      });
      unsaved.length = 0;
    } catch (error) {
      unsaved.push(by);
      tellOnce('warning', 'inventory-not-kept', `The inventory ${path} cannot be kept: ${words(error)}`);
    }
  };

  const document = async (): Promise<InventoryDocument> => {
    const text = await textOf(path).catch((error: unknown) => {
      tellOnce('warning', 'inventory-unreadable', `The inventory ${path} cannot be read: ${words(error)}`);
      return null;
    });
    const kept = text === null ? emptyInventory : understood(text);
    return unsaved.reduce((before, one) => one(before), kept);
  };

  return {
    cartridges: async () => (await document()).cartridges,
    foreign: async () => (await document()).foreign,
    seen: (cartridge) => change((before) => withCartridge(before, cartridge)),
    notOurs: (cartridge) => change((before) => withoutCartridge(before, cartridge)),
  };
}
function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Null for text that is no inventory, or one of a version this program does not know. */
export function parseInventory(text: string): InventoryDocument | null {
  try {
    const parsed = inventorySchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

async function locked(folder: string, work: () => Promise<void>): Promise<void> {
  for (let tries = 0; tries < lockTries; tries++) {
    const letGo = await takeLock(folder, 'inventory');
    if (letGo === null) {
      await sleep(lockPause);
      continue;
    }
    try {
      await work();
      return;
    } finally {
      await letGo();
    }
  }
  throw new Error('another program holds it');
}

/** Null where there is no file. */
async function textOf(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw error;
  }
}

/** A reader, and a machine whose power fails, has the old file or the new one. */
async function replace(path: string, document: InventoryDocument): Promise<void> {
  const next = `${path}.${process.pid}.new`;
  const file = await open(next, 'w', 0o644);
  try {
    await file.writeFile(`${JSON.stringify(document, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(next, path);
  const folder = await open(dirname(path), 'r');
  try {
    // Some network file systems cannot flush a folder.
    await folder.sync().catch(() => {});
  } finally {
    await folder.close();
  }
}
