import type { TapeDevice } from '../system/index.ts';
import { densityOf, type Density } from './densities.ts';
import { unreadiness } from './readiness.ts';
import {
  decodeBlockLimits,
  decodeInquiry,
  decodeSerial,
  inquireSerial,
  inquiry,
  readBlockLimits,
  type BlockLimits,
  type Unready,
} from './scsi.ts';

/** What a drive says of itself without moving its tape; null for what it does not say. */
export interface DriveLook {
  readonly vendor: string | null;
  readonly model: string | null;
  /** Of the firmware. */
  readonly revision: string | null;
  readonly serial: string | null;
  /** Why it is not ready, and null when it is. */
  readonly unready: Exclude<Unready, 'news'> | null;
  readonly writeProtected: boolean;
  readonly density: Density | null;
  readonly blockLimits: BlockLimits | null;
}

/** Asks a drive about itself. Throws what the system says of one that cannot be asked at all. */
export async function lookAt(device: TapeDevice): Promise<DriveLook> {
  const ask = <T>(request: Parameters<TapeDevice['command']>[0], decode: (answer: Answer) => T) =>
    device.command(request).then(decode, () => null);
  const unready = await unreadiness(device);
  const name = await ask(inquiry, decodeInquiry);
  const { writeProtected, density } = await device.status();
  return {
    vendor: name?.vendor ?? null,
    model: name?.model ?? null,
    revision: name?.revision ?? null,
    serial: await ask(inquireSerial, decodeSerial),
    unready,
    writeProtected: unready === null && writeProtected,
    density: unready === null ? densityOf(density) : null,
    blockLimits: await ask(readBlockLimits, decodeBlockLimits),
  };
}

type Answer = Awaited<ReturnType<TapeDevice['command']>>;
