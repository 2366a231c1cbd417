import { readFileSync } from 'node:fs';
import test from 'ava';
import { CommanderError } from 'commander';
import { errorsPage } from '../../src/cli/errors-page.ts';
import { Interruption, outcomeAsJson, outcomeAsText, outcomeOf } from '../../src/cli/outcome.ts';
import { codes, exitStatuses, RemetalError, type ErrorCode } from '../../src/errors/index.ts';

test('every code ends with the status of the table', (t) => {
  for (const [code, { exit }] of Object.entries(codes)) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of the table are the codes
    t.is(outcomeOf(new RemetalError(code as ErrorCode, 'Text.')).status, exitStatuses[exit], code);
  }
});

test('a coded error is printed with its hint, and as JSON with its facts', (t) => {
  const outcome = outcomeOf(
    new RemetalError('target-too-small', 'The target is too small.', {
      hint: 'Get another.',
      facts: { missing: 7 },
    }),
  );
  t.is(
    outcomeAsText(outcome, false),
    'remetal: The target is too small.\nhint: Get another.\ncode: target-too-small (exit status 5)\n',
  );
  t.deepEqual(outcomeAsJson(outcome), {
    type: 'error',
    code: 'target-too-small',
    message: 'The target is too small.',
    hint: 'Get another.',
    facts: { missing: 7 },
    exitStatus: 5,
  });
});

test('an unforeseen error is internal, and its stack is for REMETAL_DEBUG', (t) => {
  const outcome = outcomeOf(new TypeError('x is not a function'));
  t.is(outcome.code, 'internal');
  t.is(outcome.status, 1);
  t.false(outcomeAsText(outcome, false).includes('    at '));
  t.true(outcomeAsText(outcome, true).includes('    at '));
  t.is(outcomeOf('a string').code, 'internal');
});

test('usage, missing rights, missing files and a full disk have their codes', (t) => {
  t.is(outcomeOf(new CommanderError(1, 'commander.unknownOption', 'error: unknown option')).status, 2);
  t.is(outcomeOf(systemError('EACCES')).code, 'not-permitted');
  t.is(outcomeOf(systemError('ENOENT')).code, 'usage');
  t.is(outcomeOf(systemError('ENOSPC')).code, 'medium-full');
  t.is(outcomeOf(systemError('EIO')).code, 'internal');
});

test('a signal ends with 128 and its number, whatever failed because of it', (t) => {
  for (const [name, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    const stopped = new AbortController();
    stopped.abort(new Interruption(name));
    t.is(
      outcomeOf(new RemetalError('interrupted', 'The restore was stopped'), stopped.signal).status,
      status,
    );
    t.is(outcomeOf(new Error('read ECANCELED'), stopped.signal).status, status);
    t.is(outcomeOf(new Interruption(name)).status, status);
  }
  t.is(outcomeOf(Object.assign(new Error('x'), { name: 'ExitPromptError' })).status, 130);
});

test('docs/errors.md is what the table makes; ./remetal errors-page prints it', (t) => {
  t.is(readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8'), errorsPage());
});

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code, syscall: 'open', path: '/x' });
}
