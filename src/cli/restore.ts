import { readFile } from 'node:fs/promises';
import { input } from '@inquirer/prompts';
import { Option } from 'commander';
import { applyRestore, checkPin, planRestore, type Planned } from '../agent/index.ts';
import { formatBytes, formatDuration, formatRate } from '../bytes/index.ts';
import { exitStatuses, RemetalError } from '../errors/index.ts';
import { describePlan } from '../restore/plan-description.ts';
import { parsePlan } from '../restore/plan-document.ts';
import type { RestoreReport } from '../restore/request.ts';
import type { Context, Verb } from './context.ts';
import { kept } from './kept.ts';
import { addRestoreOptions, planRequestOf, type RestoreOptions } from './restore-options.ts';
import { placeText } from './place.ts';
import { withSet } from './sets.ts';

export const restoreVerb: Verb = (program, act) => {
  addRestoreOptions(
    program
      .command('restore')
      .description('write a backup set back onto disks or image files')
      .argument('<place>', placeText)
      .option('--plan <hash|file>', 'carry out this plan and no other: its sha256:… or the file of plan -o')
      .option('--yes', 'carry out whatever plan comes out, without showing it first')
      .option('--verify', 'read everything back and compare')
      .addOption(
        new Option('--on-damage <what>', 'what to do at a record that cannot be read')
          .choices(['stop', 'go-on'])
          .default('stop'),
      )
      .option('--start-anew', 'give up what an interrupted restore left in the journal'),
  )
    .addHelpText(
      'after',
      `
Examples:
  remetal restore /mnt/usbdisk/web1 --disk /dev/disk/by-id/ata-NEW --plan sha256:…
  remetal restore sets --disk new.raw --yes --verify
  remetal restore sets --disk new.raw --plan plan.json --on-damage go-on`,
    )
    .action(act(restore));
};

interface RestoreVerbOptions extends RestoreOptions {
  readonly plan?: string;
  readonly yes?: boolean;
  readonly verify?: boolean;
  readonly onDamage: 'stop' | 'go-on';
  readonly startAnew?: boolean;
}

async function restore(context: Context, place: string, options: RestoreVerbOptions): Promise<number> {
  const pin = options.plan === undefined ? null : await pinOf(options.plan);
  if (pin === null && options.yes !== true && !context.canAsk) {
    throw new RemetalError(
      'answers-missing',
      'Nobody has agreed to a plan, and there is no terminal to ask on.',
      {
        hint: 'Look at the plan with `remetal plan` and give its hash with --plan, or say --yes.',
        facts: { questions: ['confirm'] },
      },
    );
  }
  return await withSet(context, { ...options, place }, options.set, async (reader) => {
    const planned = await planRestore(await planRequestOf(reader, place, options));
    checkPin(planned.plan, pin);
    if (pin === null && options.yes !== true && !(await confirmed(context, planned))) {
      throw new RemetalError('interrupted', 'The word was not typed; nothing was written.');
    }
    const report = await context.during('restore', (reporter) =>
      applyRestore({
        reader,
        plan: planned.plan,
        journalFile: options.journal ?? null,
        startAnew: options.startAnew === true,
        verify: options.verify === true,
        onDamage: options.onDamage,
        reporter,
        signal: context.signal,
      }),
    );
    context.output.result({ verb: 'restore', ...report }, reportText(report));
    return report.damage.length === 0 ? exitStatuses.ok : exitStatuses.exceptions;
  });
}

/** The hash a `--plan` stands for. Throws `plan-unreadable`. */
async function pinOf(given: string): Promise<string> {
  if (/^sha256:[0-9a-f]{64}$/.test(given)) return given;
  if (given.startsWith('sha256:')) {
    throw new RemetalError('usage', `${given} is not the hash of a plan.`, {
      hint: 'It is sha256: and 64 hex digits, as `remetal plan` prints it.',
    });
  }
  const text = await readFile(given, 'utf8');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new RemetalError('plan-unreadable', `${given} is not JSON.`, {
      hint: 'Make it with `remetal plan -o`.',
      facts: { path: given },
      cause,
    });
  }
  return parsePlan(json).hash;
}

async function confirmed({ world, signal }: Context, { plan }: Planned): Promise<boolean> {
  world.stderr.write(`${describePlan(plan).join('\n')}\n`);
  const answer = await input(
    { message: 'Type restore to go ahead:' },
    { input: world.stdin, output: kept(world.stderr), signal },
  );
  return answer.trim() === 'restore';
}

function reportText(report: RestoreReport): string {
  const { writtenBytes, seconds, verified, damage, resumedAt } = report;
  const lines = [
    `restored: ${formatBytes(writtenBytes)} written in ${formatDuration(seconds)} (${formatRate(writtenBytes, seconds)})${verified ? ', read back and equal' : ''}`,
  ];
  if (resumedAt !== null) lines.push(`taken up at step ${resumedAt + 1} of an interrupted restore`);
  for (const { volume, extents, files, reason } of damage) {
    const bytes = extents.reduce((sum, { length }) => sum + length, 0);
    lines.push(`damaged: ${formatBytes(bytes)} of ${volume} are zeros: ${reason}`);
    for (const { path, inode, part } of files) lines.push(`  ${path ?? `inode ${inode}`} (${part})`);
  }
  for (const { disk, sectors, movedTo, volume, files: held } of report.moved) {
    const what = volume === null ? 'a volume table' : [volume, ...held].join(' ');
    lines.push(
      `moved: ${disk} fails at sector ${sectors.join(', ')}; what it held (${what}) lies at ${movedTo} now`,
    );
  }
  return `${lines.join('\n')}\n`;
}
