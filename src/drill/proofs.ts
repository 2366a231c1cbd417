import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { RemetalError } from '../errors/index.ts';
import { stateFolder } from '../system/index.ts';

/** What a drill has shown, as it is kept in `proof.json`. */
export const proofSchema = z.object({
  version: z.literal(1),
  /** Name and id of the set, and what the machine is called. */
  set: z.string(),
  setId: z.string(),
  machine: z.string(),
  /** `image`: the disks were those of the set; `restore`: they were restored onto blank ones by the appliance first. */
  how: z.enum(['image', 'restore']),
  /** When it began; ISO 8601, UTC. */
  at: z.string(),
  verdict: z.enum(['passed', 'failed']),
  /** What showed that the machine had come up; null where it failed. */
  seen: z.string().nullable(),
  /** Why it failed: a word for machines and a sentence; null where it passed. */
  failure: z.object({ code: z.string(), reason: z.string() }).nullable(),
  /** From the start of the machine to the verdict; of a restore, the time of that, too. */
  seconds: z.number(),
  restoreSeconds: z.number().nullable(),
  firmware: z.enum(['bios', 'uefi']),
  accelerator: z.enum(['kvm', 'tcg']),
  memoryBytes: z.number(),
  /** What was waited for: `login`, a regular expression or a probe, as it was written. */
  expected: z.string(),
  /** Bytes the guest has written, which were thrown away; null where they lie on restored disks. */
  writtenBytes: z.number().nullable(),
  software: z.string(),
  /** Files beside this one. */
  files: z.array(z.string()),
});
export type DrillProof = z.infer<typeof proofSchema>;

/** A proof and where it is kept. */
export interface KeptProof extends DrillProof {
  /** The folder of it. */
  readonly folder: string;
}

const proofName = 'proof.json';

/*
 * Beside the set where the place is a folder or a file in one; what cannot be written to beside a set, a tape
 * among it, has its proofs with the state of this program.
 */
async function besideSet(place: string): Promise<string | null> {
  if (/^[a-z+]+:/.test(place)) return null;
  const found = await stat(place).catch(() => null);
  if (found === null) return null;
  return found.isDirectory() ? place : dirname(place);
}

function inState(state: string): string {
  return join(state, 'drills');
}

/**
 * Keeps a proof beside its set, or with the state of this program where that cannot be written to: a folder
 * `<set>.drill/<time>` with `proof.json` and the files. It is there as a whole or not at all.
 *
 * @param files Name to content.
 * @returns The folder.
 * @throws `medium-failed` where it can be kept nowhere.
 */
export async function keepProof(
  place: string,
  proof: Omit<DrillProof, 'files'>,
  files: ReadonlyMap<string, string | Uint8Array>,
  state = stateFolder(),
): Promise<string> {
  const parents = [await besideSet(place), inState(state)].filter((parent) => parent !== null);
  const kept: DrillProof = { ...proof, files: [...files.keys()] };
  let last: unknown;
  for (const parent of parents) {
    try {
      return await keepIn(join(parent, `${proof.set}.drill`), kept, files);
    } catch (error) {
      last = error;
    }
  }
  throw new RemetalError('medium-failed', `The proof of the drill of ${proof.set} cannot be kept`, {
    facts: { tried: parents },
    cause: last,
  });
}

async function keepIn(
  folder: string,
  proof: DrillProof,
  files: ReadonlyMap<string, string | Uint8Array>,
): Promise<string> {
  await mkdir(folder, { recursive: true });
  const growing = await mkdtemp(join(folder, '.growing-'));
  try {
    for (const [name, content] of files) await writeFile(join(growing, name), content);
    await writeFile(join(growing, proofName), `${JSON.stringify(proof, null, 2)}\n`);
    const time = proof.at.replaceAll(/[-:]|\.\d+/g, '');
    for (let attempt = 1; ; attempt++) {
      const final = join(folder, attempt === 1 ? time : `${time}-${attempt}`);
      const taken = await stat(final).catch(() => null);
      if (taken !== null) continue;
      await rename(growing, final);
      return final;
    }
  } catch (error) {
    await rm(growing, { recursive: true, force: true });
    throw error;
  }
}

/** Every proof that is kept of a set, newest first. What is no proof there is passed over. */
export async function drillsOf(
  place: string,
  set: { readonly name: string; readonly setId?: string | null },
  state = stateFolder(),
): Promise<KeptProof[]> {
  const parents = [await besideSet(place), inState(state)].filter((parent) => parent !== null);
  const found: KeptProof[] = [];
  for (const parent of parents) {
    const folder = join(parent, `${set.name}.drill`);
    const entries = await readdir(folder).catch(() => []);
    for (const entry of entries) {
      if (entry.startsWith('.')) continue;
      const proof = await readProof(join(folder, entry));
      // The name of a set may have been given anew on another medium.
      if (proof === null || (set.setId && proof.setId !== set.setId)) continue;
      found.push(proof);
    }
  }
  return found.toSorted((a, b) => (a.at < b.at ? 1 : -1));
}

/**
 * The newest drill of a set, or null where there was none. Reads nothing of the set.
 *
 * @param set Its name on the medium, or that and its id.
 */
export async function lastDrill(
  place: string,
  set: string | { readonly name: string; readonly setId?: string | null },
  state = stateFolder(),
): Promise<KeptProof | null> {
  const [newest] = await drillsOf(place, typeof set === 'string' ? { name: set } : set, state);
  return newest ?? null;
}

async function readProof(folder: string): Promise<KeptProof | null> {
  try {
    const parsed = proofSchema.safeParse(JSON.parse(await readFile(join(folder, proofName), 'utf8')));
    return parsed.success ? { ...parsed.data, folder } : null;
  } catch {
    return null;
  }
}
