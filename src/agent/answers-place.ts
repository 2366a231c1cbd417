import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RemetalError } from '../errors/index.ts';
import { parseAnswers, type Answers } from './answers.ts';
import { fileSystemAt, surveyMedia } from './media.ts';
import { parsePlace } from './place.ts';
import { waitingFor } from './waiting.ts';
import type { AgentWorld } from './world.ts';

/** How long a medium with an answers file is waited for; the file itself can name longer waits only for the rest. */
const seconds = 60;

/**
 * The answers file at a place on a medium. Throws `medium-not-found`, `target-ambiguous` for two media
 * that answer, `answers-invalid`.
 */
export async function readAnswersAt(world: AgentWorld, text: string): Promise<Answers> {
  const place = parsePlace(text);
  const { path } = place;
  if (path === null) {
    throw new RemetalError('answers-invalid', `The place ${text} names no file.`, {
      hint: 'Write for example remetal.answers=label:BACKUP/answers.yaml.',
      facts: { place: text },
    });
  }
  const { machine } = world;
  return waitingFor(world, { what: 'answers', seconds, codes: ['medium-not-found'] }, async () => {
    const survey = await surveyMedia(machine);
    const found = fileSystemAt(survey, await machine.disks(), place);
    const folder = await machine.mount(found, false);
    try {
      const content = await readFile(join(folder, path), 'utf8').catch((cause: unknown) => {
        throw new RemetalError('medium-not-found', `There is no file ${text}.`, {
          facts: { place: text },
          cause,
        });
      });
      return parseAnswers(content, text);
    } finally {
      if (!survey.setDisks.has(found.disk)) await machine.unmount(found);
    }
  });
}
