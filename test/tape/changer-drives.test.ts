import test from 'ava';
import type { FoundChanger, FoundTapeDrive } from '../../src/system/index.ts';
import { mayFill } from '../../src/tape/changer-drives.ts';
import { changerOfDrive } from '../../src/tape/index.ts';

function drive(path: string, serial: string | null): FoundTapeDrive {
  return { path, byId: null, vendor: 'ACME', model: 'T', serial, generic: null };
}

function changer(path: string): FoundChanger {
  return { path, byId: null, vendor: 'ACME', model: 'L', serial: null };
}

const one = drive('/dev/nst0', 'D1');
const two = drive('/dev/nst1', 'D2');
const alone = drive('/dev/nst2', 'D3');
const nameless = drive('/dev/nst3', null);
const library = changer('/dev/sg4');
const other = changer('/dev/sg5');

async function silent() {
  return null;
}

function identifiers(...names: (string | null)[]) {
  return async () => names.map((identifier, number) => ({ number, identifier }));
}

test('a drive is found in its changer by its serial number', async (t) => {
  const drives = [one, two, alone];
  const ask = identifiers('ACME    T               D2', 'D1');
  t.deepEqual(await changerOfDrive(one, drives, [library], ask), { changer: library, drive: 1 });
  t.deepEqual(await changerOfDrive(two, drives, [library], ask), { changer: library, drive: 0 });
  t.like(await changerOfDrive(one, drives, [library], identifiers('ACME    SIXTEEN-LETTERS.D1')), {
    drive: 0,
  });
  // A serial that only ends alike is another drive's.
  t.is(await changerOfDrive(one, drives, [library], identifiers('ACME    T               XD1', 'XD1')), null);
  t.is(await changerOfDrive(alone, drives, [library], ask), null);
  t.is(await changerOfDrive(nameless, [nameless], [library], ask), null);
  t.is(await changerOfDrive(one, drives, [], ask), null);
});

test('of two changers, the one that names the drive', async (t) => {
  const ask = async ({ path }: FoundChanger) =>
    path === other.path ? await identifiers('D1')() : await identifiers('D2')();
  t.deepEqual(await changerOfDrive(one, [one, two], [library, other], ask), { changer: other, drive: 0 });
  // Both claim it.
  t.is(await changerOfDrive(one, [one], [library, other], identifiers('D1')), null);
});

test('a lone drive belongs to a lone changer that names none', async (t) => {
  for (const ask of [silent, identifiers(null)]) {
    t.deepEqual(await changerOfDrive(one, [one], [library], ask), { changer: library, drive: 0 });
    t.is(await changerOfDrive(one, [one, alone], [library], ask), null);
    t.is(await changerOfDrive(one, [one], [library, other], ask), null);
  }
  t.is(await changerOfDrive(one, [one], [library], identifiers(null, null)), null);
});

test('a changer whose drives are all others of this machine does not fill the one beside it', async (t) => {
  const drives = [one, two, alone];
  t.false(await mayFill(library, alone, drives, identifiers('D1', 'D2')));
  // One that is not seen under its name may be it.
  t.true(await mayFill(library, alone, drives, identifiers('D1', 'XYZ')));
  t.true(await mayFill(library, alone, drives, identifiers('D1', null)));
  t.true(await mayFill(library, one, drives, identifiers('D1')));
  t.true(await mayFill(library, alone, drives, silent));
});
