import { verifySet } from '../archive/index.ts';
import { formatBytes } from '../bytes/index.ts';
import { exitStatuses } from '../errors/index.ts';
import { nativeCodec } from '../system/index.ts';
import type { Context, Verb } from './context.ts';
import { addSetOptions, placeText, tellMovements, withChainMedia, type SetOptions } from './place.ts';
import { chosenSet } from './sets.ts';

export const verifyVerb: Verb = (program, act) => {
  addSetOptions(
    program
      .command('verify')
      .description('read a whole set and check every record against its checksum')
      .argument('<place>', placeText)
      .option('--set <name>', 'which set; the newest when absent'),
  ).action(act(verify));
};

async function verify(
  context: Context,
  place: string,
  options: SetOptions & { set?: string },
): Promise<number> {
  return await withChainMedia(context, place, options, async (medium, chain) => {
    const name = await chosenSet(medium, options.set);
    const report = await context.during('verify', (reporter) =>
      verifySet(medium, name, { reporter, signal: context.signal, codec: nativeCodec(), chain }),
    );
    const problems = report.problems.map(({ code, message, facts }) => ({ code, message, facts }));
    context.output.result(
      {
        verb: 'verify',
        set: name,
        records: report.records,
        bytes: report.bytes,
        sound: problems.length === 0,
        problems,
      },
      problems.length === 0
        ? `${name}: sound, ${report.records} records, ${formatBytes(report.bytes)}\n`
        : `${name}: ${problems.length} problems\n${problems.map(({ code, message }) => `  ${code}: ${message}\n`).join('')}`,
    );
    tellMovements(context, medium);
    return problems.length === 0 ? exitStatuses.ok : exitStatuses.integrity;
  });
}
