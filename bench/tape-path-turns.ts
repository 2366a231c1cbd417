/**
 * Runs in the guest: `/dev/nst0 TURNS BYTES RECORD`. All contestants write and read in turn, each from the
 * beginning of the tape, and a line says what one turn took.
 */
import { execa } from 'execa';
import { encodeUstar, pageAligned, tarBlock } from '../src/bytes/index.ts';
import { tapeMedium, type Medium } from '../src/medium/index.ts';
import { RecordRing } from '../src/medium/ring.ts';
import type { Notice } from '../src/progress/index.ts';
import { openSt } from '../src/system/index.ts';
import { eraseCartridge, openCartridges, passingInventory, TapeDrive } from '../src/tape/index.ts';

export type Contestant = 'dd' | 'st' | 'remetal';

/** One run through the tape. */
export interface Turn {
  readonly direction: 'write' | 'read';
  /** `st` is a bare loop of the calls that Remetal makes, with one buffer. */
  readonly who: Contestant;
  readonly seconds: number;
}

/** The turns that a guest has printed. */
export function measures(lines: readonly string[]): Turn[] {
  return lines
    .filter((line) => line.startsWith('TURN '))
    .map((line) => {
      const [, direction, who, took] = line.split(' ');
      return {
        direction: direction === 'write' ? 'write' : 'read',
        who: who === 'dd' || who === 'st' ? who : 'remetal',
        seconds: Number(took),
      };
    });
}

const buffering = { bytes: 64 * 1024 * 1024, start: 0.9 };
/** A reader does not know how long the next block is: the room that Remetal gives it, and the documented one for dd. */
const room = 1024 * 1024;
const setId = '00000000-0000-4000-8000-000000000001';

function say(turn: Turn): void {
  process.stdout.write(`TURN ${turn.direction} ${turn.who} ${turn.seconds.toFixed(3)}\n`);
}

function seconds(since: number): number {
  return (performance.now() - since) / 1000;
}

async function rewind(path: string): Promise<void> {
  const device = await openSt(path, 'look');
  await device.operate('REW');
  await device.close();
}

/* By its own clock, which does not count its start and ends when the drive is closed. */
async function dd(path: string, words: readonly string[]): Promise<number> {
  await rewind(path);
  const { stderr } = await execa('dd', words, { env: { LC_ALL: 'C' } });
  const [, took] = /copied, ([\d.]+) s/.exec(stderr) ?? [];
  if (took === undefined) throw new Error(`dd said: ${stderr}`);
  return Number(took);
}

async function ddTurn(path: string, records: number, size: number): Promise<void> {
  const write = await dd(path, ['if=/dev/zero', `of=${path}`, `bs=${size}`, `count=${records}`]);
  say({ direction: 'write', who: 'dd', seconds: write });
  const read = await dd(path, [`if=${path}`, 'of=/dev/null', `bs=${room}`]);
  say({ direction: 'read', who: 'dd', seconds: read });
}

async function stTurn(path: string, records: number, size: number): Promise<void> {
  const device = await openSt(path, 'write');
  await device.operate('SETBLK', 0);
  await device.operate('REW');
  const block = pageAligned(size);
  let began = performance.now();
  for (let i = 0; i < records; i++) await device.write(block);
  await device.operate('WEOF');
  say({ direction: 'write', who: 'st', seconds: seconds(began) });
  await device.operate('REW');
  const target = pageAligned(room);
  began = performance.now();
  while ((await device.read(target)) > 0);
  say({ direction: 'read', who: 'st', seconds: seconds(began) });
  await device.close();
}

/** A tar member as long as a record, named as one. */
function recordOf(name: string, length: number, content = ''): Buffer {
  const line = '19 comment=record.\n';
  const out = Buffer.alloc(length, 0xa5);
  out.fill(0, 0, 3 * tarBlock);
  encodeUstar({ name: `PaxHeaders/${name}`, size: line.length, mtime: 0, type: 'x' }, out, 0);
  out.write(line, tarBlock);
  encodeUstar({ name, size: length - 3 * tarBlock, mtime: 0, type: '0' }, out, 2 * tarBlock);
  if (content !== '') out.write(content.padEnd(length - 3 * tarBlock), 3 * tarBlock);
  return out;
}

function print({ message }: Notice): void {
  process.stdout.write(`${message}\n`);
}

function mediumOn(path: string): Medium {
  const drive = new TapeDrive(path, async (access) => await openSt(path, access));
  const cartridges = openCartridges({
    drive,
    changer: null,
    operator: null,
    inventory: passingInventory(),
    tell: print,
  });
  return tapeMedium({ name: path, buffering, open: () => Promise.resolve(cartridges), tell: print });
}

async function remetalTurn(path: string, records: number, size: number): Promise<void> {
  const drive = new TapeDrive(path, async (access) => await openSt(path, access));
  await eraseCartridge(drive, { force: true, long: false });
  await drive.release();
  const medium = mediumOn(path);
  const head = { format: 1, setId, name: 'bench', createdAt: new Date().toISOString(), kind: 'full' };
  const label = { format: 1, setId, part: 1, recordLimit: 2 * size, firstOrdinal: 0, head };
  const first = recordOf('set/part0001.label.json', 4096, JSON.stringify(label));
  const record = recordOf('set/000001.data', size);
  const sink = await medium.create('set', setId);
  await sink.append([first]);
  const ring = new RecordRing<null>(buffering, size, async (bytes) => {
    if ((await sink.append([bytes])) === 'end-of-medium') throw new Error('The cartridge is too short.');
  });
  let began = performance.now();
  for (let i = 0; i < records; i++) await ring.put([record], null);
  await ring.flush();
  await sink.commit();
  say({ direction: 'write', who: 'remetal', seconds: seconds(began) });

  const source = await medium.open('set');
  await source.seek({ part: 0, offset: 0 });
  await source.next();
  began = performance.now();
  let found = 0;
  while ((await source.next()) !== null) found++;
  say({ direction: 'read', who: 'remetal', seconds: seconds(began) });
  await source.close();
  await medium.close();
  if (found !== records) throw new Error(`${found} records came back instead of ${records}.`);
}

async function takeTurns(): Promise<void> {
  const [path = '', turns, bytes, size] = process.argv.slice(2);
  const records = Number(bytes) / Number(size);
  for (let turn = 0; turn < Number(turns); turn++) {
    const all = [ddTurn, stTurn, remetalTurn];
    for (const take of turn % 2 === 0 ? all : all.toReversed()) await take(path, records, Number(size));
  }
}

if (import.meta.main) await takeTurns();
