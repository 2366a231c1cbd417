/**
 * One tape drive as the system's driver shows it: single calls, no judgement. `st-device.ts` is the
 * kernel's driver (st(4)); the virtual drive in src/tape/virtual behaves alike. What makes sense of the
 * calls is `TapeDrive` in src/tape.
 *
 * A call that fails throws a system error: `code` is the errno's name, `ENOMEDIUM` included, `syscall` the
 * call. Only one call may be under way at a time: blocks of calls that overlap come out in any order.
 */
export interface TapeDevice {
  /** For messages: the path it was opened by. */
  readonly name: string;
  /**
   * Reads the next block, which fits into `target`, and gives its length; 0 at a filemark, behind which the
   * tape then stands, and at the end of the data. `ENOMEM`: the block is longer than `target`; the tape has
   * moved past it. `EIO`: the block cannot be read and the tape stands before it.
   */
  read(target: Uint8Array): Promise<number>;
  /** Writes one block. `ENOSPC`: early warning, nothing was written, and the next write may go through. */
  write(block: Uint8Array): Promise<void>;
  /** A tape operation of mtio(4). */
  operate(operation: TapeOperation, count?: number): Promise<void>;
  status(): Promise<TapeStatus>;
  /** The number of the block the drive stands at, filemarks counted (MTIOCPOS). `EIO` where it cannot say. */
  tell(): Promise<number>;
  /** Sends a SCSI command past the driver (SG_IO). Resolves whatever the drive answers. */
  command(request: ScsiRequest): Promise<ScsiAnswer>;
  /** The longest transfer the adapter takes, bytes; null where it does not say. */
  adapterLimit?(): Promise<number | null>;
  close(): Promise<void>;
}

/** How a device is opened. `look` never waits for a cartridge and cannot read; the others fail with `ENOMEDIUM` where there is none. */
export type TapeAccess = 'look' | 'read' | 'write';

/** Opens a drive: `EBUSY` while another program has it, `EROFS` for writing on a protected cartridge. */
export type OpenTape = (access: TapeAccess) => Promise<TapeDevice>;

/** Operations of mtio(4) that are used, by the names st(4) gives them without `MT`. */
export type TapeOperation =
  | 'REW'
  | 'FSF'
  | 'BSF'
  | 'BSFM'
  | 'FSR'
  | 'BSR'
  | 'WEOF'
  | 'EOM'
  | 'SEEK'
  | 'ERASE'
  | 'OFFL'
  | 'LOAD'
  | 'LOCK'
  | 'UNLOCK'
  | 'SETBLK'
  | 'COMPRESSION'
  | 'SETDRVBUFFER'
  | 'NOP';

/** What MTIOCGET says. */
export interface TapeStatus {
  /** Number of the file the tape stands in, -1 where the driver does not know. */
  readonly file: number;
  /** Number of the block in the file, -1 where the driver does not know. */
  readonly block: number;
  /** Block size, bytes; 0 for blocks of any length. */
  readonly blockSize: number;
  readonly density: number;
  readonly online: boolean;
  readonly writeProtected: boolean;
  readonly beginning: boolean;
  readonly endOfFile: boolean;
  readonly endOfData: boolean;
  /** Early warning or the end of the tape was met. */
  readonly endOfTape: boolean;
  readonly doorOpen: boolean;
  readonly cleaning: boolean;
}

export interface ScsiRequest {
  readonly command: Uint8Array;
  /** Bytes to send, or room for what comes back; neither where absent. */
  readonly send?: Uint8Array;
  readonly receive?: number;
  readonly milliseconds?: number;
}

export interface ScsiAnswer {
  /** SCSI status byte: 0 good, 2 check condition. */
  readonly status: number;
  readonly sense: Buffer;
  /** What came back, cut to its length. */
  readonly data: Buffer;
}
