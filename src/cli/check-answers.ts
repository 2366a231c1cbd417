import { readFile } from 'node:fs/promises';
import { openQuestions, parseAnswers } from '../agent/index.ts';
import { exitStatuses } from '../errors/index.ts';
import type { Context, Verb } from './context.ts';

export const checkAnswersVerb: Verb = (program, act) => {
  program
    .command('check-answers')
    .description('check an answers file for the appliance')
    .argument('<file>', 'the file, as docs/answers.md describes it')
    .action(act(checkAnswers));
};

async function checkAnswers(context: Context, file: string): Promise<number> {
  const answers = parseAnswers(await readFile(file, 'utf8'), file);
  const open = openQuestions(answers);
  context.output.result(
    { verb: 'check-answers', file, answers, open },
    open.length === 0
      ? `${file}: complete\n`
      : `${file}: understood, but nobody answers ${open.join(', ')}\n`,
  );
  return open.length === 0 ? exitStatuses.ok : exitStatuses.unanswered;
}
