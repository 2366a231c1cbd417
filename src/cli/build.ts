import { readFile } from 'node:fs/promises';
import { Option } from 'commander';
import { openQuestions, parseAnswers } from '../agent/index.ts';
import { buildAppliance } from '../appliance/index.ts';
import { formatBytes } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import { collect, integerOption, type Context, type Verb } from './context.ts';

export const buildVerb: Verb = (program, act) => {
  program
    .command('build')
    .description('build the bootable image; needs no root')
    .option('-o, --output <file>', 'the image to write', 'remetal.iso')
    .option('--answers <file>', 'bake in an answers file: the image runs it by itself when it boots')
    .option(
      '--include-set <folder>',
      'put a folder with backup sets on the image; may be given again',
      collect,
    )
    .option('--kernel-word <word>', 'a word for the kernel line; may be given again', collect)
    .option('--overlay <folder>', 'a folder laid over the appliance root; may be given again', collect)
    .option('--firmware <folder>', 'firmware files for devices that need them')
    .option('--timeout <seconds>', 'pause of the boot menu', integerOption(0, 3600))
    .addOption(
      new Option('--compression <how>', 'quick for a try, release for the smallest image')
        .choices(['quick', 'normal', 'release'])
        .default('normal'),
    )
    .option('--release', 'short for --compression release')
    .option('--no-netboot', 'leave out kernel and initramfs for network boot')
    .option('--refresh', 'ask the package sources for newer versions now')
    .option('--cache <folder>', 'where stages of the build are kept')
    .addHelpText(
      'after',
      `
Examples:
  remetal build
  remetal build --answers answers.yaml -o web1-restore.iso
  remetal build --answers answers.yaml --include-set /mnt/usbdisk/web1`,
    )
    .action(act(build));
};

interface BuildVerbOptions {
  readonly output: string;
  readonly answers?: string;
  readonly includeSet?: readonly string[];
  readonly kernelWord?: readonly string[];
  readonly overlay?: readonly string[];
  readonly firmware?: string;
  readonly timeout?: number;
  readonly compression: 'quick' | 'normal' | 'release';
  readonly release?: boolean;
  readonly netboot: boolean;
  readonly refresh?: boolean;
  readonly cache?: string;
}

async function build(context: Context, options: BuildVerbOptions): Promise<void> {
  if (options.answers !== undefined) await checkBaked(options.answers);
  const result = await buildAppliance({
    output: options.output,
    compression: options.release === true ? 'release' : options.compression,
    netboot: options.netboot,
    refresh: options.refresh === true,
    ...(options.answers === undefined ? {} : { answers: options.answers }),
    ...(options.includeSet === undefined ? {} : { includeSets: options.includeSet }),
    ...(options.kernelWord === undefined ? {} : { kernelWords: options.kernelWord }),
    ...(options.overlay === undefined ? {} : { overlays: options.overlay }),
    ...(options.firmware === undefined ? {} : { firmware: options.firmware }),
    ...(options.timeout === undefined ? {} : { timeoutSeconds: options.timeout }),
    ...(options.cache === undefined ? {} : { cache: options.cache }),
    onStep: ({ stage, state, detail }) => {
      if (context.output.json) context.output.event({ type: 'step', stage, state, detail });
      else context.output.remark(`${stage}: ${state}${detail === '' ? '' : ` (${detail})`}`);
    },
  });
  context.output.result(
    { verb: 'build', ...result },
    `${result.iso}: ${formatBytes(result.sizeBytes)}, label ${result.label}, sha256 ${result.sha256}\n${result.howToBoot}\n`,
  );
}

/* An image that would stop at its first question is found out here, not in the machine room. */
async function checkBaked(file: string): Promise<void> {
  const open = openQuestions(parseAnswers(await readFile(file, 'utf8'), file));
  if (open.length === 0) return;
  throw new RemetalError('answers-missing', `${file} leaves ${open.join(', ')} unanswered.`, {
    hint: 'docs/answers.md describes every key.',
    facts: { questions: open },
  });
}
