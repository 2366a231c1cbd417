import { randomUUID } from 'node:crypto';
import { formatBytes } from '../bytes/index.ts';
import { isCoded, RemetalError } from '../errors/index.ts';
import { sourceFile } from '../system/index.ts';
import {
  checkAppliance,
  compareAppliance,
  put,
  writeAppliance,
  type ApplianceFile,
} from './appliance-file.ts';
import { readContents, type CartridgeContents } from './contents.ts';
import type { TapeDrive } from './drive.ts';
import { decodeLabel, encodeLabel, type CartridgeLabel } from './label.ts';
import packageFacts from '../../package.json' with { type: 'json' };

export interface LabelRequest {
  readonly name: string;
  readonly barcode: string | null;
  /** Overwrite whatever is on the cartridge. */
  readonly force: boolean;
  readonly now: Date;
  /** The bootable image that goes before the label; none when absent. */
  readonly appliance?: ApplianceFile;
  readonly signal?: AbortSignal;
}

export interface EraseRequest {
  readonly force: boolean;
  /** Overwrite all of the tape, which takes hours. */
  readonly long: boolean;
}

/**
 * The longest records that are of use. Half of what drive and adapter take where that is less: a reader then
 * always has room for twice a block, and drives are known (tgt's) that lose the end of blocks which fill more
 * than half of the room.
 */
const usualRecordLimit = 1024 * 1024;
/** What every drive takes; records shorter than this would make tables without end. */
const smallestRecordLimit = 64 * 1024;

/**
 * Writes the label of ours onto the cartridge in the drive, and an appliance before it; what was there is gone.
 * All of it is read back. Throws `cartridge-protected` for one with sets of ours, `foreign-cartridge` for one
 * of another program, `cartridge-unlabelled` for a damaged label of ours, all three unless forced;
 * `cartridge-protected` for one that can be written only once and was; `usage` for an image that is none;
 * `cartridge-full`, `drive-failed`.
 */
export async function labelCartridge(drive: TapeDrive, request: LabelRequest): Promise<CartridgeLabel> {
  const { name, barcode, force, now, appliance, signal } = request;
  if (appliance !== undefined) await checkAppliance(appliance);
  await drive.ready('write');
  await refuseUnlessFree(drive, force);
  const longest = drive.longestBlock;
  if (longest < smallestRecordLimit) {
    throw new RemetalError('drive-failed', `The drive takes blocks of ${formatBytes(longest)} at most.`, {
      hint: 'Attach it to an adapter that takes longer transfers.',
      facts: { longest, smallest: smallestRecordLimit },
    });
  }
  const recordLimit = Math.min(usualRecordLimit, Math.max(smallestRecordLimit, Math.floor(longest / 2)));
  const label: CartridgeLabel = {
    format: 1,
    cartridge: randomUUID(),
    name,
    barcode,
    recordLimit,
    labelledAt: now.toISOString(),
    software: `remetal ${packageFacts.version}`,
  };
  const block = encodeLabel(label, { reader: await sourceFile('tools/remetal-reader.py') });
  await drive.rewind();
  const written = appliance === undefined ? null : await writeAppliance(drive, appliance, signal);
  await put(drive, block);
  await drive.filemark();
  if (appliance !== undefined && written !== null) {
    await compareAppliance(drive, appliance, written, signal);
  }
  await readBack(drive, label, appliance === undefined ? 0 : 1);
  return label;
}

/**
 * Makes the cartridge in the drive a blank one. Throws `cartridge-protected` and `foreign-cartridge` as
 * `labelCartridge` does, `drive-failed` when the drive cannot.
 */
export async function eraseCartridge(drive: TapeDrive, { force, long }: EraseRequest): Promise<void> {
  await drive.ready('write');
  await refuseUnlessFree(drive, force);
  await drive.rewind();
  try {
    await drive.erase(long);
  } catch (error) {
    if (long || !isCoded(error, 'drive-failed')) throw error;
    // Some drives cannot erase; a filemark at the beginning ends the data there as well.
    await drive.ready('write');
    await drive.filemark();
  }
  await drive.release();
  await drive.ready('read');
  if ((await readContents(drive)).blank) return;
  throw new RemetalError('drive-failed', 'There is still data on the cartridge after erasing it.', {
    hint: 'Use another cartridge, and look at the drive.',
    facts: { drive: drive.name },
  });
}

/** Throws where the cartridge in the drive, which is ready, must not be overwritten. */
async function refuseUnlessFree(drive: TapeDrive, force: boolean): Promise<void> {
  const contents = await readContents(drive).catch((error: unknown) => {
    if (force && isCoded(error, 'cartridge-unlabelled', 'set-too-new')) return null;
    throw error;
  });
  if (contents?.blank === true) return;
  if ((await drive.memory())?.kind === 'write-once') {
    throw new RemetalError(
      'cartridge-protected',
      `The cartridge in ${drive.name} can be written only once, and was.`,
      { hint: 'Use another cartridge.', facts: { drive: drive.name } },
    );
  }
  if (!force && contents !== null) refuseContents(contents);
}

async function readBack(drive: TapeDrive, label: CartridgeLabel, file: number): Promise<void> {
  if (file === 0) await drive.rewind();
  const block = (await drive.toFile(file)) ? await drive.read() : null;
  const found = Buffer.isBuffer(block) ? decodeLabel(block) : null;
  if (found?.cartridge === label.cartridge) return;
  throw new RemetalError('drive-failed', 'The label reads back different from what was written.', {
    hint: 'Clean the drive, and use another cartridge.',
    facts: { drive: drive.name },
  });
}

/** Throws unless a cartridge may be labelled without a word. */
export function refuseContents({ label, foreign, parts }: CartridgeContents): void {
  const hint = 'Use another cartridge; --force gives up what is on it.';
  if (parts.length > 0) {
    const sets = [...new Set(parts.map(({ set }) => set))];
    throw new RemetalError('cartridge-protected', `Cartridge ${label?.name} holds ${sets.join(', ')}.`, {
      hint,
      facts: { label: label?.name, sets },
    });
  }
  if (foreign !== null) {
    throw new RemetalError('foreign-cartridge', `The cartridge holds ${foreign}.`, {
      hint,
      facts: { foreign },
    });
  }
}
