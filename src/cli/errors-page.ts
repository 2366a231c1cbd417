import { codes, exitStatuses } from '../errors/index.ts';
import type { Verb } from './context.ts';

export const errorsPageVerb: Verb = (program, act) => {
  program
    .command('errors-page', { hidden: true })
    .description('print docs/errors.md')
    .action(
      act((context) => {
        context.output.result({ verb: 'errors-page', codes }, errorsPage());
        return Promise.resolve();
      }),
    );
};

const intro = `# Errors

Made by \`./remetal errors-page > docs/errors.md\` from src/errors/codes.ts; do not edit it by hand.

Every error a command prints has a stable code and ends the command with the status in the second column.
What the statuses mean is in [operator.md](operator.md).

`;

/** The page docs/errors.md: all codes by exit status and name. */
export function errorsPage(): string {
  const rows = Object.entries(codes)
    .map(([code, { exit, meaning }]) => ({ code, meaning, status: exitStatuses[exit] }))
    .toSorted((a, b) => a.status - b.status || (a.code < b.code ? -1 : 1))
    .map(({ code, meaning, status }) => `| \`${code}\` | ${status} | ${meaning} |\n`);
  const statuses = Object.entries(exitStatuses).map(([name, status]) => `| ${status} | ${name} |\n`);
  return `${intro}| code | status | means |\n|---|---|---|\n${rows.join('')}\n## Names of the statuses\n\n| status | name |\n|---|---|\n${statuses.join('')}`;
}
