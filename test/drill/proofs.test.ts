import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { drillsOf, keepProof, lastDrill, type DrillProof } from '../../src/drill/proofs.ts';
import { fileMedium } from '../../src/medium/file.ts';
import { temporary } from '../helpers/temporary.ts';

const proof: Omit<DrillProof, 'files'> = {
  version: 1,
  set: 'web1-20310203T040506Z',
  setId: '6f1f8d0e-1d6b-4b5d-9a55-0d8a3c1c9b11',
  machine: 'web1',
  how: 'image',
  at: '2031-02-04T00:00:00.123Z',
  verdict: 'passed',
  seen: 'web1 login:',
  failure: null,
  seconds: 41.5,
  restoreSeconds: null,
  firmware: 'bios',
  accelerator: 'tcg',
  memoryBytes: 2 ** 30,
  expected: 'login',
  writtenBytes: 4096,
  software: 'remetal 0',
};
const files = new Map<string, string | Uint8Array>([
  ['serial.log', 'web1 login:'],
  ['screen.png', Buffer.from([1, 2, 3])],
]);

test('the newest proof of a set is found beside it, and the set is listed as before', async (t) => {
  const place = temporary(t);
  const state = temporary(t);
  writeFileSync(join(place, `${proof.set}.tar`), '');
  t.is(await lastDrill(place, proof.set, state), null);
  const first = await keepProof(place, proof, files, state);
  t.is(first, join(place, 'web1-20310203T040506Z.drill', '20310204T000000Z'));
  t.deepEqual(readdirSync(first).toSorted(), ['proof.json', 'screen.png', 'serial.log']);
  t.is(readFileSync(join(first, 'serial.log'), 'utf8'), 'web1 login:');
  const failure = { code: 'no-boot-loader', reason: 'The firmware found no boot loader.' };
  const later = { ...proof, at: '2031-02-05T00:00:00Z', verdict: 'failed' as const, seen: null, failure };
  await keepProof(place, later, files, state);
  const again = await keepProof(place, later, new Map(), state);
  t.true(again.endsWith('-2'));
  const last = await lastDrill(place, proof.set, state);
  t.is(last?.verdict, 'failed');
  t.deepEqual(last?.failure, failure);
  t.is((await drillsOf(place, { name: proof.set }, state)).length, 3);
  t.is(await lastDrill(place, { name: proof.set, setId: 'another' }, state), null);
  t.is(await lastDrill(place, 'web2', state), null);
  const medium = fileMedium(place);
  t.deepEqual(
    (await medium.list()).map(({ name }) => name),
    [proof.set],
  );
  await medium.close();
});

test('a set on a tape, or where nothing can be written, has its proofs with the state', async (t) => {
  const state = temporary(t);
  const place = 'tape:/dev/tape/by-id/scsi-1-nst';
  const kept = await keepProof(place, proof, files, state);
  t.is(kept, join(state, 'drills', `${proof.set}.drill`, '20310204T000000Z'));
  t.is((await lastDrill(place, proof.set, state))?.folder, kept);
  // A file where the folder of the proofs would be: even root cannot make one there.
  const blocked = temporary(t);
  writeFileSync(join(blocked, `${proof.set}.drill`), '');
  const later = { ...proof, at: '2031-02-06T00:00:00Z' };
  t.true((await keepProof(blocked, later, files, state)).startsWith(state));
  t.is((await lastDrill(blocked, proof.set, state))?.at, later.at);
  const full = join(blocked, 'state');
  writeFileSync(full, '');
  await t.throwsAsync(keepProof(blocked, proof, files, full), { code: 'medium-failed' });
});

test('what is no proof is passed over', async (t) => {
  const place = temporary(t);
  const state = temporary(t);
  const folder = join(place, `${proof.set}.drill`);
  for (const [name, text] of [
    ['torn', '{'],
    ['other', '{"version":7}'],
    ['.growing-x', JSON.stringify({ ...proof, files: [] })],
  ] as const) {
    mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, name, 'proof.json'), text);
  }
  t.is(await lastDrill(place, proof.set, state), null);
});
