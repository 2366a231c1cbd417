import { randomUUID } from 'node:crypto';
import { formatBytes } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
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
  /** Blocks of a bootable image that go before the label; none when absent. */
  readonly appliance?: AsyncIterable<Buffer>;
}

/** The longest records that are of use; a drive or adapter may take less. */
const usualRecordLimit = 1024 * 1024;
/** Records shorter than this would make tables without end. */
const smallestRecordLimit = 128 * 1024;

/**
 * Writes the label of ours onto the cartridge in the drive, and an appliance before it; what was there is gone.
 * The label is read back. Throws `cartridge-protected` for one with sets of ours, `foreign-cartridge` for one
 * of another program, both unless forced; `drive-failed`.
 */
export async function labelCartridge(drive: TapeDrive, request: LabelRequest): Promise<CartridgeLabel> {
  const { name, barcode, force, now, appliance } = request;
  await drive.ready('write');
  if (!force) refuseContents(await readContents(drive));
  const recordLimit = Math.min(usualRecordLimit, drive.longestBlock);
  if (recordLimit < smallestRecordLimit) {
    throw new RemetalError('drive-failed', `The drive takes blocks of ${formatBytes(recordLimit)} at most.`, {
      hint: 'Attach it to an adapter that takes longer transfers.',
      facts: { recordLimit, smallest: smallestRecordLimit },
    });
  }
  const label: CartridgeLabel = {
    format: 1,
    cartridge: randomUUID(),
    name,
    barcode,
    recordLimit,
    labelledAt: now.toISOString(),
    software: `remetal ${packageFacts.version}`,
  };
  await drive.rewind();
  if (appliance !== undefined) {
    for await (const block of appliance) await put(drive, block);
    await drive.filemark();
  }
  await put(drive, encodeLabel(label));
  await drive.filemark();
  await readBack(drive, label, appliance === undefined ? 0 : 1);
  return label;
}

async function put(drive: TapeDrive, block: Buffer): Promise<void> {
  if ((await drive.write(block)) === 'written') return;
  throw new RemetalError('cartridge-full', 'The cartridge is too short for what comes before its sets.');
}

async function readBack(drive: TapeDrive, label: CartridgeLabel, file: number): Promise<void> {
  await drive.rewind();
  const block = (await drive.toFile(file)) ? await drive.read() : null;
  const found = Buffer.isBuffer(block) ? decodeLabel(block) : null;
  if (found?.cartridge === label.cartridge) return;
  throw new RemetalError('drive-failed', 'The label reads back different from what was written.', {
    hint: 'Clean the drive, and use another cartridge.',
  });
}

/** Throws unless a cartridge may be labelled without a word. */
export function refuseContents({ label, foreign, parts }: CartridgeContents): void {
  if (foreign !== null) {
    throw new RemetalError('foreign-cartridge', `The cartridge holds ${foreign}.`, {
      hint: 'Use another cartridge; --force overwrites it.',
      facts: { foreign },
    });
  }
  if (parts.length > 0) {
    const sets = [...new Set(parts.map(({ set }) => set))];
    throw new RemetalError('cartridge-protected', `Cartridge ${label?.name} holds ${sets.join(', ')}.`, {
      hint: 'Use another cartridge; --force overwrites it.',
      facts: { label: label?.name, sets },
    });
  }
}
