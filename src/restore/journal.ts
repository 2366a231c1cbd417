import { randomUUID } from 'node:crypto';
import { open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { z } from 'zod';
import type { BlockDevice } from '../disk/block-device.ts';
import { RemetalError } from '../errors/index.ts';

/**
 * The journal of a restore: how far it has come, kept where a power cut cannot take it. Two slots of
 * 4096 bytes are written in turn, each by one write followed by a flush, so that a torn write leaves
 * the other slot.
 *
 * A slot, little-endian: bytes 0-7 magic `REMETALJ`, 8-11 version (1), 12-15 sequence number,
 * 16-19 length of the state, 20 on the state as JSON, 4092-4095 CRC-32 of bytes 0 to 4091.
 */
export const slotSize = 4096;
/** Bytes a journal takes in its store: two slots. */
export const journalSize = 2 * slotSize;

const magic = Buffer.from('REMETALJ', 'latin1');
const version = 1;
const headSize = 20;

const count = z.number().int().nonnegative();

/** Where a restore stands. Everything before this point is durable on the targets. */
export const journalStateSchema = z.strictObject({
  /** Of the plan, as printed: `sha256:` and 64 hex digits. */
  plan: z.string(),
  /** Id of the backup set. */
  set: z.string(),
  /** Steps of the plan before this one are done. */
  step: count,
  /** In a step that streams a volume: groups before this one are written. */
  group: count,
  /** The volume that is being grown or made bootable; its bytes are no longer those of the set. */
  changing: z.string().nullable(),
  /** Volumes that were read back and agreed. */
  verified: z.array(z.string()),
  /** Groups left as zeros, in runs: volume, first group, number of groups, reason. */
  damage: z.array(z.tuple([z.string(), count, count.min(1), z.string()])),
});
export type JournalState = z.infer<typeof journalStateSchema>;

/** Where the two slots live. */
export interface JournalStore {
  /** For messages. */
  readonly name: string;
  /** The bytes of both slots, or null where there is nothing. */
  read(): Promise<Buffer | null>;
  /** Durable when it returns. */
  write(slot: 0 | 1, bytes: Buffer): Promise<void>;
  /** Takes the journal away; `final` is what its area on a disk shall hold, zeros where null. */
  remove(final: Buffer | null): Promise<void>;
}

/** A journal in an area of `journalSize` bytes at `offset` (bytes, a multiple of 4096) of a target disk. */
export function diskJournal(device: BlockDevice, offset: number): JournalStore {
  return {
    name: `${device.name} at byte ${offset}`,
    async read() {
      const bytes = Buffer.alloc(journalSize);
      await device.read(bytes, offset);
      return bytes;
    },
    async write(slot, bytes) {
      await device.write(bytes, offset + slot * slotSize);
      await device.flush();
    },
    async remove(final) {
      if (final === null) await device.writeZeroes(offset, journalSize);
      else await device.write(final, offset);
      await device.flush();
    },
  };
}

/** A journal in a file of its own. Throws `medium-failed` where the file cannot be kept. */
export function fileJournal(path: string): JournalStore {
  const failed = (cause: unknown): RemetalError =>
    new RemetalError('medium-failed', `The journal ${path} could not be kept`, {
      hint: 'Name a folder that can be written with --journal.',
      facts: { path },
      cause,
    });
  return {
    name: path,
    async read() {
      let file;
      try {
        file = await open(path, 'r');
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
        throw failed(error);
      }
      try {
        const bytes = Buffer.alloc(journalSize);
        await file.read(bytes, 0, journalSize, 0);
        return bytes;
      } catch (error) {
        throw failed(error);
      } finally {
        await file.close();
      }
    },
    async write(slot, bytes) {
      try {
        const fresh = (await stat(path).catch(() => null)) === null;
        if (fresh) {
          // Created whole under another name: a file that is there always has two slots.
          const temporary = `${path}.${randomUUID()}`;
          const both = Buffer.alloc(journalSize);
          bytes.copy(both, slot * slotSize);
          await writeDurably(temporary, 'wx', both, 0);
          await rename(temporary, path);
          await flushFolder(dirname(path));
        } else await writeDurably(path, 'r+', bytes, slot * slotSize);
      } catch (error) {
        throw failed(error);
      }
    },
    async remove() {
      try {
        await rm(path, { force: true });
        await flushFolder(dirname(path));
      } catch (error) {
        throw failed(error);
      }
    },
  };
}

async function writeDurably(path: string, flags: string, bytes: Buffer, at: number): Promise<void> {
  const file = await open(path, flags, 0o600);
  try {
    await file.write(bytes, 0, bytes.length, at);
    await file.datasync();
  } finally {
    await file.close();
  }
}

async function flushFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } catch {
    // Some network file systems cannot flush a folder; the slots themselves are flushed.
  } finally {
    await folder.close();
  }
}

/** A journal that is open: what was found, and where to write on. */
export interface Journal {
  /** What an earlier run of the same plan left, or null for a fresh start. */
  readonly found: JournalState | null;
  /**
   * Makes `state` the point to go on from. Resolves with false, and keeps the point before, when the
   * state does not fit a slot (a very long list of damage).
   */
  commit(state: JournalState): Promise<boolean>;
  /** The restore is finished. */
  remove(final: Buffer | null): Promise<void>;
}

export interface JournalOptions {
  readonly plan: string;
  readonly set: string;
  /** Take no notice of what an earlier restore left. */
  readonly startAnew: boolean;
}

/** Opens the journal in a store. Throws `journal-foreign` for one of another plan or set. */
export async function openJournal(store: JournalStore, options: JournalOptions): Promise<Journal> {
  const bytes = await store.read();
  const slots =
    bytes === null ? [] : ([0, 1] as const).map((slot) => readSlot(bytes.subarray(slot * slotSize), slot));
  const best = slots
    .filter((slot) => slot !== null)
    .toSorted((a, b) => b.sequence - a.sequence)
    .at(0);
  if (best !== undefined && !options.startAnew) {
    const { state } = best;
    if (state === null || state.plan !== options.plan || state.set !== options.set) {
      throw new RemetalError('journal-foreign', `The journal in ${store.name} belongs to another restore`, {
        hint: 'Run the plan it belongs to again to finish that restore, or say --start-anew to give it up.',
        facts: { journal: store.name, plan: state?.plan ?? null, set: state?.set ?? null, step: state?.step },
      });
    }
  }
  let sequence = best?.sequence ?? 0;
  let next: 0 | 1 = best?.slot === 0 ? 1 : 0;
  return {
    found: options.startAnew ? null : (best?.state ?? null),
    async commit(state) {
      const slot = writeSlot(sequence + 1, state);
      if (slot === null) return false;
      await store.write(next, slot);
      sequence++;
      next = next === 0 ? 1 : 0;
      return true;
    },
    remove: (final) => store.remove(final),
  };
}

interface Slot {
  readonly slot: 0 | 1;
  readonly sequence: number;
  /** Null where the slot is whole but of a version this program does not know. */
  readonly state: JournalState | null;
}

function readSlot(bytes: Buffer, slot: 0 | 1): Slot | null {
  if (bytes.length < slotSize || !bytes.subarray(0, 8).equals(magic)) return null;
  if (crc32(bytes.subarray(0, slotSize - 4)) !== bytes.readUInt32LE(slotSize - 4)) return null;
  const sequence = bytes.readUInt32LE(12);
  if (bytes.readUInt32LE(8) !== version) return { slot, sequence, state: null };
  const length = bytes.readUInt32LE(16);
  if (length > slotSize - 4 - headSize) return null;
  try {
    const parsed: unknown = JSON.parse(bytes.toString('utf8', headSize, headSize + length));
    return { slot, sequence, state: journalStateSchema.parse(parsed) };
  } catch {
    return { slot, sequence, state: null };
  }
}

function writeSlot(sequence: number, state: JournalState): Buffer | null {
  const text = Buffer.from(JSON.stringify(state), 'utf8');
  if (text.length > slotSize - 4 - headSize) return null;
  const bytes = Buffer.alloc(slotSize);
  magic.copy(bytes, 0);
  bytes.writeUInt32LE(version, 8);
  bytes.writeUInt32LE(sequence, 12);
  bytes.writeUInt32LE(text.length, 16);
  text.copy(bytes, headSize);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, slotSize - 4)), slotSize - 4);
  return bytes;
}

/** Adds a group to a list of damage, joining it to the last run where it follows it. */
export function withDamage(
  damage: JournalState['damage'],
  volume: string,
  group: number,
  reason: string,
): JournalState['damage'] {
  const last = damage.at(-1);
  if (last !== undefined && last[0] === volume && last[3] === reason && last[1] + last[2] === group) {
    return [...damage.slice(0, -1), [volume, last[1], last[2] + 1, reason]];
  }
  return [...damage, [volume, group, 1, reason]];
}
