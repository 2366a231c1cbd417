import type { ExecutionContext } from 'ava';
import type { OpenTape } from '../../src/system/index.ts';
import { TapeDrive } from '../../src/tape/drive.ts';
import {
  createLibrary,
  openLibrary,
  type CartridgeDescription,
  type Faults,
  type VirtualLibrary,
} from '../../src/tape/virtual/index.ts';
import { temporary } from '../helpers/temporary.ts';

export const KiB = 1024;

export interface TapeScene {
  readonly library: VirtualLibrary;
  readonly folder: string;
  readonly drive: TapeDrive;
  readonly open: OpenTape;
}

/** A lone virtual drive with a cartridge A in it. */
export async function tapeScene(
  t: ExecutionContext,
  { faults = {}, cartridge = {} }: { faults?: Faults; cartridge?: Partial<CartridgeDescription> } = {},
): Promise<TapeScene> {
  const folder = temporary(t);
  await createLibrary(folder, {
    drives: [{ faults }],
    slots: 0,
    cartridges: { A: { size: 16 * 1024 * KiB, ...cartridge } },
  });
  const library = await openLibrary(folder);
  await library.insert('A');
  const { open } = library.drives[0]!;
  const drive = new TapeDrive('virtual', open, { waiting: { wait: () => Promise.resolve() } });
  t.teardown(() => drive.release());
  return { library, folder, drive, open };
}

/** Writes blocks and a filemark where the tape stands. */
export async function writeFile(drive: TapeDrive, blocks: readonly Buffer[]): Promise<void> {
  for (const block of blocks) if ((await drive.write(block)) !== 'written') throw new Error('no room');
  await drive.filemark();
}
