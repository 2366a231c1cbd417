import { join } from 'node:path';
import { createLibrary, openLibrary } from '../../src/tape/virtual/index.ts';
import { must, remetalOk, type Rig, type Scenario } from '../steps/index.ts';
import { applianceIngredients, applianceKernel, inTapeGuest } from '../tape-guest/index.ts';
import { startTapeTarget } from '../tape-target/target.ts';
import type { Step } from './in-guest.ts';
import { plainJavaScript } from './plain-javascript.ts';
import { manyFiles, type ManyFiles } from './server.ts';

const entries = 20_000;
const files = 200;
/** What the program in the guest is made of. */
const folders = ['src', 'test/cli', 'qemu-tests/tape-mount'];
/** For the volumes: the kernel's client of network block devices, the file systems, and the sums these take. */
const modules = { crc32c_generic: '', nbd: '', ext4: '', xfs: '', loop: '', fuse: '' };

/** What a step has to come to. */
interface Wanted {
  readonly step: RegExp;
  readonly count: number;
  /** Whether the contents of files are asked for. */
  readonly contents?: true;
}

function wantedOf(made: ManyFiles, listed: number): Wanted[] {
  return [
    { step: /^files netware$/, count: listed },
    { step: /^extract ext4$/, count: files, contents: true },
    // ext4 has its lost+found.
    { step: /^nbd ext4$/, count: made.entries + 1 },
    { step: /^nbd xfs$/, count: made.entries },
  ];
}

async function backUp(rig: Rig, made: ManyFiles, library: string): Promise<void> {
  await createLibrary(library, { drives: 1, slots: 0, cartridges: { MANY01L8: { size: 2 ** 30 } } });
  await (await openLibrary(library)).insert('MANY01L8');
  const disks = ['--disk', made.server, '--disk', made.netware];
  await remetalOk(rig, ['backup', ...disks, '--to', `tape+file:${library}`, '--name', 'many']);
}

/** Names in a NetWare volume, from the disk itself. */
async function netwareNames(rig: Rig, { netware }: ManyFiles): Promise<number> {
  const lines = (await remetalOk(rig, ['files', `${netware}:SYS`])).split('\n');
  return lines.filter((line) => line.startsWith('/')).length;
}

export const scenario: Scenario = {
  proves: 'a set on tape is listed, mounted and has files taken out of it with one jump of the tape for each',
  seconds: 600,
  async run(rig) {
    const made = await manyFiles(rig.scratch, entries);
    const library = join(rig.scratch, 'library');
    await backUp(rig, made, library);
    const wanted = wantedOf(made, await netwareNames(rig, made));
    rig.tell(`a set of ${wanted.length} volumes is on tape`);
    const program = join(rig.scratch, 'program');
    plainJavaScript(program, folders);
    const ingredients = await applianceIngredients();
    const target = await startTapeTarget({ library });
    try {
      const lines = await inTapeGuest({
        name: 'mounting',
        logs: rig.logs,
        scratch: rig.scratch,
        ingredients,
        kernel: applianceKernel(ingredients),
        modules,
        tape: [{ url: target.url(0) }],
        program: join(program, 'qemu-tests/tape-mount/in-guest.js'),
        arguments: ['/dev/nst0', String(files), String(entries)],
        seconds: 540,
      });
      const steps = lines
        .filter((line) => line.startsWith('STEP '))
        .map((line): Step => JSON.parse(line.slice('STEP '.length)));
      for (const each of wanted) prove(rig, each, steps);
    } finally {
      await target.close();
    }
  },
};

function prove(rig: Rig, wanted: Wanted, steps: readonly Step[]): void {
  const found = steps.find(({ step }) => wanted.step.test(step));
  if (found === undefined) throw new Error(`The guest tells of no step ${String(wanted.step)}.`);
  const { step, count, repositionings, control, data, seconds } = found;
  rig.tell(
    `${step}: ${count} in ${seconds} s, ${repositionings} repositionings, groups of the control set ${control ?? '?'}, of data ${data ?? '?'}`,
  );
  must(count === wanted.count, `${step}: ${count} came in place of ${wanted.count}.`);
  must(repositionings === 1, `${step}: the tape was repositioned ${repositionings} times.`);
  if (wanted.contents !== true) must(data === null || data === 0, `${step}: ${data} data records were read.`);
}
