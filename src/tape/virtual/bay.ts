import type { CartridgeFile } from './cartridge-file.ts';
import type { Faults } from './faults.ts';

export interface CartridgeFacts {
  readonly barcode: string;
  /** Bytes of blocks that go on the tape. */
  readonly capacity: number;
  /** Bytes from which on the drive warns that the end is near. */
  readonly earlyWarning: number;
  readonly writeProtected: boolean;
  /** Written once: only behind what is there, or over the filemarks at its end. */
  readonly worm: boolean;
  readonly kind: 'data' | 'cleaning';
  readonly faults: Faults;
}

/** A cartridge with its tape. */
export interface Cartridge {
  readonly facts: CartridgeFacts;
  readonly tape: CartridgeFile;
  /** Another number each time a cartridge is put into a drive. */
  readonly presence: number;
}

/**
 * What the driver met last: `filemark` was just passed, `filemark-ahead` ended a read that had blocks before
 * it, `end` is the end of the data and `end-ahead` is told once more before it; `warned` refuses one write,
 * and after that `warned-twice` lets one through; `lost` is the position, after a reset.
 */
export const metConditions = [
  'nothing',
  'filemark',
  'filemark-ahead',
  'end-ahead',
  'end',
  'warned',
  'warned-twice',
  'lost',
] as const;
export type Met = (typeof metConditions)[number];

/** Where the driver believes the tape to be; -1 where it does not know. */
export interface DriverPosition {
  readonly file: number;
  readonly block: number;
  readonly met: Met;
}

/** What a drive and its driver know between two programs that use them. */
export interface DriveMemory extends DriverPosition {
  /** Of the cartridge that was in the drive; null for none. */
  readonly presence: number | null;
  /** False when the drive let go of the cartridge, which then sticks out of it. */
  readonly loaded: boolean;
  /** The number of the block that the tape stands at. */
  readonly position: number;
  readonly blockSize: number;
}

/** The mouth of a drive, and what goes on around it. */
export interface DriveBay {
  readonly name: string;
  readonly serial: string;
  readonly faults: Faults;
  /** The cartridge in the drive as it is now; null for none. */
  inside(): Promise<Cartridge | null>;
  /** Takes the cartridge away, as a person does who does not ask the drive. */
  remove(): Promise<void>;
  /** Puts another cartridge in the place of the one that is in the drive. */
  swap(barcode: string): Promise<void>;
  /** Moves the tab of the cartridge in the drive. */
  protect(): Promise<void>;
  remembered(): Promise<DriveMemory | null>;
  remember(memory: DriveMemory): Promise<void>;
  /** Lets go of the files until the drive is used again. */
  rest(): Promise<void>;
}
