import type { SetReader } from '../archive/index.ts';
import { formatBytes } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import type { DiskLayout } from '../layout/index.ts';
import { netwareDisks } from '../restore/plan-netware-disks.ts';
import type { TargetDisk } from '../restore/request.ts';
import { describeDisk } from '../restore/targets.ts';
import type { TargetRule } from '../restore/wishes.ts';
import type { Answers } from './answers.ts';
import type { Choice } from './console.ts';
import { planRestore, type Planned } from './restore-run.ts';
import { wishesOf } from './restoring.ts';
import type { AgentWorld } from './world.ts';

export interface AskPlan {
  readonly reader: SetReader;
  readonly candidates: readonly TargetDisk[];
  readonly answers: Answers;
  /** Settle without a question what has one answer. */
  readonly sure: boolean;
}

type Targets = Record<string, TargetRule>;

/** Asks for the target of every disk of the set that the answers leave open, and makes the plan. */
export async function askPlan(world: AgentWorld, asked: AskPlan): Promise<Planned> {
  const { reader, candidates, answers } = asked;
  const targets: Targets = { ...answers.targets };
  const taken = new Set<TargetDisk>();
  const wishes = wishesOf(answers, targets);
  const all = new Set(reader.layout.volumes.map(({ id }) => id));
  const { optional } = netwareDisks(reader.layout, all, wishes);
  for (const disk of reader.layout.disks) {
    if (targets[disk.id] !== undefined) continue;
    const chosen = await askTarget(world, { ...asked, disk, taken, optional: optional.has(disk.id) });
    if (chosen === null) continue;
    taken.add(chosen);
    targets[disk.id] = ruleFor(chosen, candidates);
  }
  if (reader.layout.netware !== undefined && !asked.sure) await askForMore(world, asked, targets, taken);
  // The word typed after the plan is what releases the disks chosen here.
  return planRestore({
    reader,
    candidates,
    wishes: { ...wishesOf(answers, targets), release: ['all'] },
    firmware: (await world.machine.facts()).firmware,
    journalFile: null,
  });
}

interface AskTarget extends AskPlan {
  readonly disk: DiskLayout;
  readonly taken: ReadonlySet<TargetDisk>;
  /** What is on the disk can go onto the others. */
  readonly optional: boolean;
}

async function askTarget(
  world: AgentWorld,
  { disk, candidates, taken, optional, sure }: AskTarget,
): Promise<TargetDisk | null> {
  const choices = candidates.map((candidate): Choice<TargetDisk | null> => {
    const reason = taken.has(candidate) ? 'chosen already' : unfit(candidate, disk.identity.sectorSize);
    return {
      value: candidate,
      label: diskLabel(candidate),
      ...(reason === null ? {} : { disabled: reason }),
    };
  });
  const open = choices.filter(({ disabled }) => disabled === undefined);
  if (open.length === 0 && !optional) {
    throw new RemetalError('target-not-found', `No disk can take ${disk.id} of the set.`, {
      hint: 'Attach one and choose again.',
      facts: { disk: disk.id, seen: candidates.map(describeDisk) },
    });
  }
  if (sure && open.length === 1) return open[0]!.value;
  if (open.length === 0) return null;
  const { size, model, serial } = disk.identity;
  const was = [formatBytes(size), model, serial].filter((fact) => fact !== null).join(', ');
  return await world.console.choose(
    { id: `target.${disk.id}`, message: `Onto which disk does ${disk.id} (${was}) go?` },
    optional
      ? [...choices, { value: null, label: 'none of its own: its NetWare volumes go onto the others' }]
      : choices,
  );
}

/** NetWare volumes can go onto more disks than they were on. */
async function askForMore(
  world: AgentWorld,
  { reader, candidates }: AskPlan,
  targets: Targets,
  taken: Set<TargetDisk>,
): Promise<void> {
  for (let number = reader.layout.disks.length + 1; ; number++) {
    const free = candidates.filter((candidate) => !taken.has(candidate) && unfit(candidate, 512) === null);
    if (free.length === 0) return;
    const chosen = await world.console.choose(
      { id: 'target.more', message: 'Shall another disk take NetWare volumes?' },
      [
        { value: null, label: 'no more disks' },
        ...free.map((candidate): Choice<TargetDisk | null> => ({
          value: candidate,
          label: diskLabel(candidate),
        })),
      ],
    );
    if (chosen === null) return;
    taken.add(chosen);
    targets[`disk${number}`] = ruleFor(chosen, candidates);
  }
}

function unfit({ reserved, identity }: TargetDisk, sectorSize: number): string | null {
  if (reserved === 'boot-medium') return 'this system was started from it';
  if (reserved === 'holds-the-set') return 'it holds a backup set';
  if (reserved === 'mounted') return 'it is in use';
  if (identity.sectorSize !== sectorSize)
    return `it has sectors of ${identity.sectorSize} bytes, not ${sectorSize}`;
  return null;
}

/** A disk in one line, for a choice. */
export function diskLabel({ identity, holds }: TargetDisk): string {
  const { path, size, model, serial, transport } = identity;
  const facts = [formatBytes(size), model, serial === null ? 'no serial' : `serial ${serial}`, transport];
  return `${path}  ${facts.filter((fact) => fact !== null).join(', ')}: ${holds.join(', ') || 'blank'}`;
}

/** A rule that means this disk and no other of the candidates. */
function ruleFor({ identity, paths }: TargetDisk, candidates: readonly TargetDisk[]): TargetRule {
  const { serial, wwn, path } = identity;
  const others = candidates.filter(({ identity: other }) => other !== identity);
  if (serial !== null && others.every(({ identity: other }) => other.serial !== serial)) return { serial };
  if (wwn !== null && others.every(({ identity: other }) => other.wwn !== wwn)) return { wwn };
  return { path: paths.find((name) => name.includes('/by-path/')) ?? path };
}
