import { RemetalError } from '../errors/index.ts';
import type { Answers } from './answers.ts';

/** The ids of the questions an unattended run would have to ask, in the order they would come. */
export function openQuestions(answers: Answers): string[] {
  const open: string[] = [];
  if (answers.action === undefined) open.push('action');
  if (answers.action === 'restore') {
    if (answers.set?.from === undefined) open.push('set.from');
    if (answers.targets === undefined || Object.keys(answers.targets).length === 0) open.push('targets');
  }
  if (answers.action === 'backup') {
    if (answers.backup?.disks === undefined) open.push('backup.disks');
    if (answers.backup?.to === undefined) open.push('backup.to');
  }
  if (answers.action !== 'shell' && answers.after === undefined) open.push('after');
  return open;
}

/** Throws `answers-missing` that names every open question, when there is one. */
export function requireAnswers(answers: Answers): void {
  const open = openQuestions(answers);
  if (open.length === 0) return;
  throw new RemetalError('answers-missing', `Nobody answered ${open.join(', ')}.`, {
    hint: 'Answer them in the answers file (docs/answers.md) or on the kernel line.',
    facts: { questions: open },
  });
}
