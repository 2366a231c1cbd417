import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Notice } from '../../src/progress/index.ts';
import {
  openCartridges,
  TapeDrive,
  type CartridgesRequest,
  type TapeOperator,
} from '../../src/tape/index.ts';
import { passingInventory } from '../../src/tape/inventory.ts';
import {
  createLibrary,
  openLibrary,
  type LibraryRequest,
  type VirtualLibrary,
} from '../../src/tape/virtual/index.ts';
import { temporary } from '../helpers/temporary.ts';

const size = 1024 * 1024;
const request = { setId: 'id', part: 1, recordLimit: null };

interface Scene {
  readonly library: VirtualLibrary;
  readonly drive: TapeDrive;
  readonly told: Notice[];
  readonly open: (options?: Partial<CartridgesRequest>) => ReturnType<typeof openCartridges>;
}

const wait = async (): Promise<void> => {};

/** Drives, slots and cartridges as the driver shows them, and which of the drives is used. */
async function scene(t: ExecutionContext, made: Partial<LibraryRequest>, ours = 0): Promise<Scene> {
  const folder = join(temporary(t), 'library');
  await createLibrary(folder, { drives: 1, slots: 3, needsEject: true, cartridges: {}, ...made });
  const library = await openLibrary(folder);
  const drive = new TapeDrive('drive', library.drives[ours]!.open, { waiting: { wait } });
  t.teardown(() => drive.release());
  const told: Notice[] = [];
  const { changer } = library;
  const open: Scene['open'] = (options = {}) =>
    openCartridges({
      drive,
      changer: changer === null ? null : { changer, driveNumber: null },
      operator: null,
      inventory: passingInventory(),
      tell: (notice) => void told.push(notice),
      wait,
      ...options,
    });
  return { library, drive, told, open };
}

async function write(drive: TapeDrive, text: string): Promise<void> {
  await drive.ready('write');
  await drive.write(Buffer.alloc(10_240, text));
  await drive.filemark();
  await drive.release();
}

test('real labels: blank cartridges are labelled, foreign and protected ones passed over', async (t) => {
  const { library, drive, told, open } = await scene(t, {
    slots: 4,
    cartridges: {
      A1L8: { size },
      B2L8: { size, writeProtected: true },
      CLN01L8: { size, kind: 'cleaning' },
      C3L8: { size },
    },
  });
  await library.changer!.load(1, 0);
  await write(drive, 'of another program ');
  await drive.eject();
  await library.changer!.unload(1, 0);
  const cartridges = open();
  const { label, contents } = await cartridges.forWriting(request);
  t.is(label.name, 'C3L8');
  t.is(contents.appendAt, 1);
  t.deepEqual(
    told.filter(({ level }) => level === 'warning').map(({ code, facts }) => [code, facts!['barcode']]),
    [
      ['foreign-cartridge', 'A1L8'],
      ['cartridge-protected', 'B2L8'],
    ],
  );
  await cartridges.close();
  // It is ours now, and known by its label.
  const again = open();
  t.is((await again.forWriting(request)).label.cartridge, label.cartridge);
  await again.close();
});

test('a cleaning cartridge without a barcode of its kind is let go of', async (t) => {
  const { open } = await scene(t, {
    needsEject: false,
    cartridges: { A1L8: { size, kind: 'cleaning' }, B2L8: { size } },
  });
  const cartridges = open();
  t.is((await cartridges.forWriting(request)).label.name, 'B2L8');
  await cartridges.close();
});

for (const ours of [0, 1]) {
  test(`drive ${ours} of two is found, and one that another program uses stays as it is`, async (t) => {
    const { library, open } = await scene(
      t,
      { drives: 2, cartridges: { A1L8: { size }, B2L8: { size }, C3L8: { size } } },
      ours,
    );
    const other = 1 - ours;
    await library.changer!.load(1, other);
    const used = await library.drives[other]!.open('read');
    const cartridges = open();
    t.is((await cartridges.forWriting(request)).label.name, 'B2L8');
    cartridges.changed();
    const { drives } = await library.changer!.status();
    t.is(drives[other]!.barcode, 'A1L8');
    t.is(drives[ours]!.barcode, 'B2L8');
    await used.close();
    await cartridges.close();
  });
}

test('a person changes cartridges in a lone drive, seen without a key', async (t) => {
  const { library, drive, told, open } = await scene(t, {
    slots: 0,
    cartridges: { A: { size, writeProtected: true }, B: { size }, C: { size } },
  });
  await library.insert('B');
  await write(drive, 'of another program ');
  await library.remove();
  await library.insert('A');
  const put = ['B', 'C'];
  const refusals: unknown[] = [];
  const operator: TapeOperator = {
    async change({ refused }, loaded) {
      refusals.push(refused?.code);
      t.false(await loaded());
      await library.remove();
      t.false(await loaded());
      await library.insert(put.shift()!);
      t.true(await loaded());
    },
  };
  const cartridges = open({ operator });
  const { label } = await cartridges.forWriting(request);
  t.is(label.name, 'REMETAL-0001');
  t.deepEqual(refusals, ['cartridge-protected', 'foreign-cartridge']);
  t.deepEqual(
    told.filter(({ code }) => code === 'cartridge-labelled').map(({ facts }) => facts!['cartridge']),
    ['REMETAL-0001'],
  );
  t.deepEqual(
    (await cartridges.survey()).map((one) => one.label?.name),
    ['REMETAL-0001'],
  );
  await cartridges.close();
});

test('a survey reads every cartridge of the changer, each once', async (t) => {
  const { library, open } = await scene(t, {
    importExportSlots: 1,
    cartridges: { A1L8: { size }, B2L8: { size }, C3L8: { size }, D4L8: { size } },
  });
  await library.insert('D4L8', { slot: 4 }).catch(() => {});
  const cartridges = open();
  t.is((await cartridges.survey()).length, 3);
  const { loads } = cartridges.drive.movements;
  t.is((await cartridges.survey()).length, 3);
  t.is(cartridges.drive.movements.loads, loads);
  await cartridges.close();
});
