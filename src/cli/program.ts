import { Command, CommanderError } from 'commander';
import { agentVerb } from './agent.ts';
import { backupVerb } from './backup.ts';
import { buildVerb } from './build.ts';
import { checkVerb } from './check.ts';
import { checkAnswersVerb } from './check-answers.ts';
import { createContext, type Act, type GlobalOptions, type Verb, type World } from './context.ts';
import { disksVerb } from './disks.ts';
import { drillVerb } from './drill.ts';
import { errorsPageVerb } from './errors-page.ts';
import { extractVerb } from './extract.ts';
import { filesVerb } from './files.ts';
import { mountVerb } from './mount.ts';
import { fuseFileVerb, mountServerVerb } from './mount-hidden.ts';
import { listVerb } from './list.ts';
import { outcomeAsJson, outcomeAsText, outcomeOf } from './outcome.ts';
import { planVerb } from './plan.ts';
import { restoreVerb } from './restore.ts';
import { serveVerb } from './serve.ts';
import { showVerb } from './show.ts';
import { tapeVerb } from './tape.ts';
import { umountVerb } from './umount.ts';
import { verifyVerb } from './verify.ts';
import { version } from './version.ts';
import { volumesVerb } from './volumes.ts';
import { writeUsbVerb } from './write-usb.ts';

/** The verbs, in the order the help lists them. */
const verbs: readonly Verb[] = [
  buildVerb,
  writeUsbVerb,
  backupVerb,
  listVerb,
  showVerb,
  verifyVerb,
  planVerb,
  restoreVerb,
  disksVerb,
  volumesVerb,
  tapeVerb,
  checkVerb,
  filesVerb,
  extractVerb,
  mountVerb,
  umountVerb,
  serveVerb,
  drillVerb,
  checkAnswersVerb,
  errorsPageVerb,
  agentVerb,
  fuseFileVerb,
  mountServerVerb,
];

const examples = `
Examples:
  remetal build                                                  make remetal.iso
  remetal backup --disk /dev/sdb --to /mnt/usbdisk/web1          image a disk
  remetal show /mnt/usbdisk/web1                                 what is in it
  remetal plan /mnt/usbdisk/web1 --disk new.raw                  every write of a restore; touches nothing
  remetal restore /mnt/usbdisk/web1 --disk new.raw --plan sha256:…

Exit statuses, answers files and the appliance: docs/operator.md
`;

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

/** Runs the command line and gives its exit status. `args` are those after the program's name. */
export async function runProgram(args: readonly string[], world: World): Promise<number> {
  let status = 0;
  const act: Act = (work) =>
    async function (this: Command, ...given) {
      const context = createContext(world, this.optsWithGlobals<GlobalOptions>());
      // Commander gives the arguments the verb declares, its options, and the command itself.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- commander's arguments have no types
      status = (await work(context, ...(given.slice(0, -1) as never))) ?? 0;
    };
  const program = new Command('remetal')
    .description('Brings dead servers back: images of their disks, and the appliance that restores them.')
    .version(version, '-V, --version', 'print the version')
    .option('--json', 'one JSON object a line on standard output')
    .option('-q, --quiet', 'no progress and no remarks')
    .helpOption('-h, --help', 'show the help of a command')
    .helpCommand('help [verb]', 'show the help of a verb')
    .addHelpText('after', examples)
    .configureOutput({
      writeOut: (text) => void world.stdout.write(text),
      // Errors are printed in one place, below.
      writeErr: () => {},
    })
    .showSuggestionAfterError(true);
  for (const verb of verbs) verb(program, act);
  for (const command of withSubcommands(program)) {
    command.exitOverride().configureOutput(program.configureOutput());
  }
  try {
    if (args.length === 0) {
      world.stdout.write(program.helpInformation() + examples);
      return 0;
    }
    await program.parseAsync([...args], { from: 'user' });
    return status;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    const outcome = outcomeOf(error, world.signal);
    if (args.includes('--json')) world.stdout.write(`${JSON.stringify(outcomeAsJson(outcome))}\n`);
    else world.stderr.write(outcomeAsText(outcome, world.environment['REMETAL_DEBUG'] === '1'));
    return outcome.status;
  }
}
