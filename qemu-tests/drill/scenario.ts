import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { hashOf, patient } from '../harness/index.ts';
import { appliance, hostSet, must, remetal, remetalOk, type Rig, type Scenario } from '../steps/index.ts';
import { withoutBootLoaders } from './broken.ts';

const proofSchema = z.looseObject({
  verdict: z.string(),
  how: z.string(),
  seen: z.string().nullable(),
  failure: z.looseObject({ code: z.string(), reason: z.string() }).nullable(),
  seconds: z.number(),
  firmware: z.string(),
  files: z.array(z.string()),
});
type Proof = z.infer<typeof proofSchema>;

/* The machine of a drill is emulated, as all machines here are. */
function limits(seconds: number): string[] {
  return ['--accelerator', 'tcg', '--timeout', String(Math.ceil(patient(seconds) / 1000))];
}

/** The newest proof beside the only set of a folder. */
function newestProof(place: string): Proof {
  const [drills] = readdirSync(place).filter((name) => name.endsWith('.drill'));
  must(drills !== undefined, `There is no proof beside the set in ${place}.`);
  const newest = readdirSync(join(place, drills)).toSorted().at(-1);
  must(newest !== undefined, `There is no proof in ${drills}.`);
  const folder = join(place, drills, newest);
  const proof = proofSchema.parse(JSON.parse(readFileSync(join(folder, 'proof.json'), 'utf8')));
  for (const file of proof.files) must(readdirSync(folder).includes(file), `The proof has no ${file}.`);
  must(proof.files.includes('serial.log'), 'The proof has no log of the serial line.');
  return proof;
}

async function passes(rig: Rig, place: string, words: readonly string[], how: string): Promise<void> {
  rig.tell(`drilling: ${words.join(' ')}`);
  await remetalOk(rig, ['drill', place, 'web1', ...words]);
  const proof = newestProof(place);
  must(proof.verdict === 'passed' && proof.how === how, `The proof says ${JSON.stringify(proof)}.`);
  must(proof.seen?.startsWith('web1 login:') === true, `What was seen is "${proof.seen}".`);
  must(words.includes(proof.firmware), `It ran under ${proof.firmware}.`);
  rig.tell(`it came up after ${proof.seconds.toFixed(0)} s`);
}

async function fails(rig: Rig, place: string, words: readonly string[], code: string): Promise<void> {
  rig.tell(`drilling what is broken: ${words.join(' ')}`);
  const { status, output } = await remetal(rig, ['drill', place, 'web1', ...words]);
  must(status === 9 && output.includes('code: drill-failed'), `It ended with ${status}: ${output}`);
  const { verdict, failure } = newestProof(place);
  must(verdict === 'failed' && failure?.code === code, `The proof says ${JSON.stringify(failure)}.`);
  must(output.includes(failure.reason), `The reason is not told: ${output}`);
  rig.tell(failure.reason);
}

/** A folder of its own with the set, since proofs are written beside it. */
async function ownSet(rig: Rig): Promise<string> {
  const shared = await hostSet(rig);
  const place = join(rig.scratch, 'sets');
  mkdirSync(place);
  for (const name of readdirSync(shared)) {
    if (name.endsWith('.tar')) copyFileSync(join(shared, name), join(place, name));
  }
  return place;
}

async function hashes(place: string): Promise<string> {
  const files = readdirSync(place).filter((name) => name.endsWith('.tar'));
  return (await Promise.all(files.map((name) => hashOf(join(place, name))))).join();
}

/** Drills of the set of a server: from the image under both firmwares, of a broken one, and the whole way. */
export const scenario: Scenario = {
  proves:
    'the server comes up from its set under BIOS and UEFI and after a restore by the appliance, and with its boot loaders destroyed it is said why not',
  seconds: 1200,
  async run(rig) {
    const place = await ownSet(rig);
    const before = await hashes(place);
    await passes(rig, place, ['--firmware', 'bios', ...limits(300)], 'image');
    await passes(rig, place, ['--firmware', 'uefi', ...limits(300)], 'image');

    const disk = join(rig.scratch, 'broken.raw');
    const broken = join(rig.scratch, 'broken-sets');
    await withoutBootLoaders(rig.original.disk, disk);
    await remetalOk(rig, ['backup', '--disk', disk, '--to', broken, '--name', 'web1']);
    rmSync(disk);
    await fails(rig, broken, ['--firmware', 'uefi', ...limits(120)], 'no-boot-loader');
    await fails(rig, broken, ['--firmware', 'bios', ...limits(20)], 'boot-loader-stuck');

    const iso = await appliance(rig, null);
    const whole = ['--restore', '--appliance', iso, '--firmware', 'bios', '--scratch', rig.scratch];
    await passes(rig, place, [...whole, ...limits(300)], 'restore');
    must((await hashes(place)) === before, 'A drill has changed the set.');
  },
};
