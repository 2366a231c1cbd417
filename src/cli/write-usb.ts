import { input } from '@inquirer/prompts';
import { Option } from 'commander';
import { inspectStick, writeUsb, type DataFileSystem, type StickTarget } from '../appliance/index.ts';
import { formatBytes } from '../bytes/index.ts';
import { RemetalError } from '../errors/index.ts';
import type { Context, Verb } from './context.ts';
import { kept } from './kept.ts';
import { shown } from './table.ts';

export const writeUsbVerb: Verb = (program, act) => {
  program
    .command('write-usb')
    .description('write the bootable image to a stick, with room for backup sets in the rest')
    .argument('<device>', 'the whole stick, as /dev/sdX, or an image file of one')
    .option('--iso <file>', 'the image that `remetal build` made', 'remetal.iso')
    .addOption(
      new Option('--data <type>', 'file system of the data partition')
        .choices(['fat32', 'ext4', 'none'])
        .default('fat32'),
    )
    .option('--yes', 'do not ask')
    .addHelpText(
      'after',
      `
Examples:
  remetal write-usb /dev/sdX
  remetal write-usb /dev/sdX --iso web1-restore.iso --data ext4`,
    )
    .action(act(writeStick));
};

interface WriteUsbVerbOptions {
  readonly iso: string;
  readonly data: DataFileSystem | 'none';
  readonly yes?: boolean;
}

async function writeStick(context: Context, device: string, options: WriteUsbVerbOptions): Promise<void> {
  if (options.yes !== true && device.startsWith('/dev/')) await ask(context, await inspectStick(device));
  const titles = { write: 'Write', 'read-back': 'Read back and compare' } as const;
  let last = '';
  const result = await writeUsb({
    image: options.iso,
    target: device,
    data: options.data === 'none' ? null : options.data,
    signal: context.signal,
    onProgress({ phase, done, total }) {
      const percent = total > 0 ? Math.floor((done / total) * 100) : 100;
      context.output.event({ type: 'progress', phase, doneBytes: done, totalBytes: total, percent });
      // One line for every tenth: a stick takes minutes.
      const line = `${titles[phase]}  ${percent - (percent % 10)} %`;
      if (line !== last) context.output.remark(line);
      last = line;
    },
  });
  const data =
    result.data === null ? '' : `, ${formatBytes(result.data.size)} for sets (label ${result.data.label})`;
  context.output.result(
    { verb: 'write-usb', ...result },
    `${result.target}: ${formatBytes(result.writtenBytes)} written and read back${data}\n`,
  );
}

async function ask({ world, canAsk, signal }: Context, stick: StickTarget): Promise<void> {
  if (!canAsk) {
    throw new RemetalError(
      'answers-missing',
      `Nobody has agreed that ${stick.path} is overwritten, and there is no terminal to ask on.`,
      {
        hint: 'Say --yes.',
        facts: { questions: ['confirm'] },
      },
    );
  }
  const { model, serial } = stick.identity;
  const facts = [formatBytes(stick.size), model, serial === null ? null : `serial ${serial}`];
  const what = `${stick.path} (${shown(facts.filter((fact) => fact !== null).join(', '))})`;
  const warning = stick.removable ? '' : ' It is no removable medium but a disk of this machine!';
  const answer = await input(
    { message: `Everything on ${what} is lost.${warning} Type write to go ahead:` },
    { input: world.stdin, output: kept(world.stderr), signal },
  );
  if (answer.trim() !== 'write') {
    throw new RemetalError('interrupted', 'The word was not typed; nothing was written.');
  }
}
