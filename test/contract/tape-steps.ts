import type { OpenTape, TapeAccess, TapeDevice, TapeOperation } from '../../src/system/index.ts';

/** The drive as a step sees it. */
export interface StepTape {
  readonly device: TapeDevice;
  /** Closes the drive and opens it again. */
  reopen(access: TapeAccess): Promise<void>;
  readonly open: OpenTape;
}

/** One thing done to a drive; the line says how it ended and where the tape stands. */
export interface Step {
  readonly name: string;
  run(tape: StepTape): Promise<string>;
}

/**
 * What is done to a drive with an empty cartridge of 8 MiB with early warning at 6 MiB, in this order. Blocks
 * are at most 256 KiB, which every adapter takes. On another cartridge the steps of the last chapter differ.
 */
export const stepCartridge = { size: 8 * 1024 * 1024, earlyWarning: 6 * 1024 * 1024 } as const;

const kibi = 1024;

/** A block that no other seed gives. */
export function stepBlock(length: number, seed: number): Buffer {
  const block = Buffer.alloc(length, seed & 0xff);
  block.writeUInt32LE(seed, 0);
  return block;
}

function failure(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

/** Where the tape stands: `file/block tell` and the flags that are up. */
async function stands({ device }: StepTape): Promise<string> {
  const status = await device.status();
  const tell = await device.tell().then(String, failure);
  const flags = [
    status.beginning ? 'BOT' : '',
    status.endOfFile ? 'EOF' : '',
    status.endOfData ? 'EOD' : '',
    status.endOfTape ? 'EOT' : '',
    status.writeProtected ? 'PROT' : '',
    status.online ? '' : 'offline',
    status.doorOpen ? 'open' : '',
  ].filter((flag) => flag !== '');
  return [`${status.file}/${status.block}`, tell, ...flags].join(' ');
}

function step(name: string, body: (tape: StepTape) => Promise<number | string | void>): Step {
  return {
    name,
    run: async (tape) => {
      const result = await body(tape).then((value) => String(value ?? 'ok'), failure);
      return `${result} | ${await stands(tape)}`;
    },
  };
}

function operate(operation: TapeOperation, count = 1): Step {
  return step(`${operation} ${count}`, ({ device }) => device.operate(operation, count));
}

function write(length: number, seed: number): Step {
  return step(`write ${length}`, ({ device }) => device.write(stepBlock(length, seed)));
}

/** Reads with so much room; `seed` is of the block that is expected. */
function read(room: number, seed?: number): Step {
  return step(`read ${room}`, async ({ device }) => {
    const target = Buffer.alloc(room);
    const length = await device.read(target);
    if (seed === undefined || length === 0) return length;
    const right = target.subarray(0, length).equals(stepBlock(length, seed));
    return `${length} ${right ? 'right' : 'other'}`;
  });
}

/** Closes the drive and opens it again. */
function reopen(access: TapeAccess): Step {
  return step(`reopen ${access}`, (tape) => tape.reopen(access));
}

function times(count: number, make: (i: number) => Step): Step[] {
  return Array.from({ length: count }, (_, i) => make(i));
}

const blocksOfAnyLength: readonly Step[] = [
  operate('REW'),
  operate('SETBLK', 0),
  ...[512, 4096, 64 * kibi, 100_000, 256 * kibi].map((length) => write(length, length)),
  operate('WEOF'),
  operate('REW'),
  ...[512, 4096, 64 * kibi, 100_000, 256 * kibi].map((length) => read(256 * kibi, length)),
  read(64 * kibi),
  read(64 * kibi),
  read(64 * kibi),
  read(64 * kibi),
];

/** Three files: 5 blocks of 64 KiB, 3 of 256 KiB, 2 of 100,000 bytes. */
const files: readonly Step[] = [
  operate('REW'),
  ...times(5, (i) => write(64 * kibi, i)),
  operate('WEOF'),
  ...times(3, (i) => write(256 * kibi, 100 + i)),
  operate('WEOF'),
  ...times(2, (i) => write(100_000, 200 + i)),
  operate('WEOF'),
  operate('REW'),
  operate('FSF'),
  read(256 * kibi, 100),
];

const movement: readonly Step[] = [
  // The block does not fit, and is passed.
  read(4096),
  read(256 * kibi, 102),
  operate('BSR'),
  operate('BSF'),
  operate('FSF'),
  operate('BSFM'),
  operate('REW'),
  operate('FSR', 2),
  read(256 * kibi, 2),
  operate('FSR', 10),
  operate('BSR'),
  operate('BSR', 2),
  operate('REW'),
  operate('BSR'),
  operate('REW'),
  operate('FSF', 2),
  operate('BSF', 2),
  operate('BSF', 5),
  operate('REW'),
  operate('FSF', 9),
  read(64 * kibi),
  operate('EOM'),
  read(64 * kibi),
  read(64 * kibi),
  operate('BSF'),
  read(64 * kibi),
  operate('REW'),
  operate('FSF', 2),
  operate('FSR', 9),
  operate('FSR', 1),
  operate('EOM'),
  write(64 * kibi, 777),
  operate('WEOF'),
  operate('REW'),
  operate('BSF'),
  operate('REW'),
  ...[0, 3, 6, 8].map((block) => operate('SEEK', block)),
  read(256 * kibi, 102),
  operate('SEEK', 1000),
  operate('SEEK', 0),
];

const overwriting: readonly Step[] = [
  operate('REW'),
  operate('FSR', 1),
  write(64 * kibi, 999),
  operate('WEOF'),
  operate('FSF'),
  operate('REW'),
  read(256 * kibi, 0),
  read(256 * kibi, 999),
  read(256 * kibi),
  read(256 * kibi),
  // What is read behind a block just written.
  operate('REW'),
  write(512, 1),
  read(512),
];

const blocksOfOneLength: readonly Step[] = [
  operate('REW'),
  operate('SETBLK', 64 * kibi),
  write(256 * kibi, 5),
  write(100_000, 5),
  operate('WEOF'),
  write(128 * kibi, 6),
  operate('REW'),
  read(192 * kibi),
  read(192 * kibi),
  read(192 * kibi),
  read(192 * kibi),
  read(192 * kibi),
  read(192 * kibi),
  operate('REW'),
  read(320 * kibi - 64 * kibi),
  // A read that a filemark ended, and then something else than the next read.
  operate('REW'),
  read(320 * kibi),
  operate('FSF'),
  operate('REW'),
  read(320 * kibi),
  operate('BSF'),
  operate('REW'),
  read(320 * kibi),
  operate('BSR'),
  operate('REW'),
  read(320 * kibi),
  operate('FSR'),
  // A block of another length.
  operate('SETBLK', 32 * kibi),
  operate('REW'),
  read(64 * kibi),
  write(32 * kibi, 7),
  operate('SETBLK', 64 * kibi),
  operate('REW'),
  write(64 * kibi, 8),
  operate('SETBLK', 0),
  write(1000, 9),
  operate('SETBLK', 64 * kibi),
  operate('REW'),
  // A block of another length behind one that fits.
  read(128 * kibi),
  read(128 * kibi),
  operate('SETBLK', 0),
  operate('REW'),
  read(64 * kibi),
];

const ending: readonly Step[] = [
  operate('REW'),
  write(4096, 1),
  operate('WEOF', 0),
  operate('REW'),
  read(4096, 1),
  read(4096),
  operate('REW'),
  write(4096, 1),
  operate('NOP'),
  operate('FSR'),
  operate('REW'),
  read(4096, 1),
  read(4096),
  operate('REW'),
  write(4096, 1),
  operate('WEOF', 0),
  write(4096, 2),
  operate('REW'),
  read(4096, 1),
  read(4096, 2),
  read(4096),
  read(4096),
  write(4096, 3),
  operate('BSF'),
  read(4096),
  read(4096),
  operate('REW'),
  operate('FSF', 1),
  write(4096, 4),
  operate('SEEK', 1),
  read(4096, 2),
  operate('EOM'),
  operate('REW'),
  write(4096, 1),
  operate('WEOF', 3),
  operate('BSF', 2),
  operate('FSF', 2),
  operate('FSR', 1),
  operate('REW'),
  write(4096, 8),
  reopen('write'),
  write(4096, 9),
  operate('WEOF'),
  reopen('read'),
  operate('REW'),
  read(4096, 8),
  read(4096),
  read(4096, 9),
  read(4096),
  read(4096),
];

const refusals: readonly Step[] = [
  operate('WEOF'),
  operate('ERASE', 0),
  write(4096, 1),
  step('second open', async ({ open }) => {
    const second = await open('look');
    await second.close();
  }),
  reopen('write'),
  operate('REW'),
  operate('FSR', 1),
  operate('ERASE', 0),
  operate('REW'),
  read(4096, 8),
  read(4096),
  operate('NOP'),
  operate('LOCK'),
  operate('UNLOCK'),
  operate('COMPRESSION', 0),
  operate('SETBLK', 9_000_000),
  operate('LOCK'),
  operate('OFFL'),
  read(4096),
  write(4096, 1),
  operate('REW'),
  operate('NOP'),
  operate('WEOF'),
  operate('SEEK', 0),
  operate('SETBLK', 0),
  operate('LOCK'),
  operate('OFFL'),
  reopen('look'),
  operate('REW'),
  read(4096),
  write(4096, 1),
  operate('LOAD'),
  reopen('write'),
  operate('LOAD'),
  read(4096),
  operate('REW'),
];

const endOfTape: readonly Step[] = [
  operate('REW'),
  // Early warning comes with the block that passes 6 MiB, and 8 MiB is the end.
  ...times(23, (i) => write(256 * kibi, 1000 + i)),
  write(256 * kibi, 2000),
  write(256 * kibi, 2001),
  ...times(6, (i) => write(256 * kibi, 2002 + i)),
  operate('WEOF'),
  ...times(12, (i) => write(256 * kibi, 3000 + i)),
  operate('WEOF', 2),
  operate('BSF', 2),
  operate('BSR', 1),
  read(256 * kibi),
  read(256 * kibi),
  read(256 * kibi),
  read(256 * kibi),
  operate('REW'),
  ...times(4, (i) => read(256 * kibi, 1000 + i)),
  operate('EOM'),
];

/** All but the last chapter: any cartridge will do for these. */
export const stepsBeforeEnd: readonly Step[] = [
  ...blocksOfAnyLength,
  ...files,
  ...movement,
  ...overwriting,
  ...blocksOfOneLength,
  ...ending,
  ...refusals,
];

export const steps: readonly Step[] = [...stepsBeforeEnd, ...endOfTape];

/** The same steps, for lists of other cartridges. */
export const stepsOf = { operate, write, read, reopen };

/** Does all steps with one drive, and gives a line of each: its name, how it ended and where the tape stands. */
export async function runSteps(open: OpenTape, chosen: readonly Step[] = steps): Promise<string[]> {
  let device = await open('write');
  const tape: StepTape = {
    get device() {
      return device;
    },
    open,
    reopen: async (access) => {
      // What the close says is how the step ends, but the drive is closed all the same.
      const said = await device.close().then(
        () => null,
        (error: unknown) => error,
      );
      device = await open(access);
      if (said !== null) throw said;
    },
  };
  const lines: string[] = [];
  for (const one of chosen) lines.push(`${one.name}: ${await one.run(tape)}`);
  await device.close();
  return lines;
}
