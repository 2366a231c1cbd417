import { readFileSync } from 'node:fs';
import test from 'ava';
import fc from 'fast-check';
import { parse } from 'yaml';
import { z } from 'zod';
import { answersSchema, parseAnswers } from '../../src/agent/answers.ts';
import { openQuestions, requireAnswers } from '../../src/agent/questions.ts';
import { isCoded, RemetalError } from '../../src/errors/index.ts';

const page = readFileSync(new URL('../../docs/answers.md', import.meta.url), 'utf8');

test('the page has a row for every key of the schema, and no other', (t) => {
  const documented = [...page.matchAll(/^\| `([A-Za-z0-9.]+)` \|.*\|.*\|.*\|$/gm)].map((match) => match[1]!);
  t.deepEqual(documented.toSorted(), keysOf(answersSchema, '').toSorted());
});

test('the defaults on the page are those of the schema', (t) => {
  const filled = answersSchema.parse({ version: 1, set: { from: 'any' }, backup: {} }) as Record<string, any>;
  for (const [, key, shown] of page.matchAll(/^\| `([A-Za-z0-9.]+)` \| .*?\| `([^`|]+)` \|/gm)) {
    if (shown === key) continue;
    const value = key!.split('.').reduce<any>((node, part) => node?.[part], filled);
    if (value !== undefined && value !== 1) t.is(String(value), shown!, key);
  }
});

test('the examples on the page are valid and leave nothing open', (t) => {
  const examples = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map((match) => match[1]!);
  t.true(examples.length >= 2);
  for (const example of examples) t.deepEqual(openQuestions(parseAnswers(example, 'example')), []);
});

test('an unknown key is refused by name with its line', (t) => {
  const error = refusal('version: 1\naction: restore\nset:\n  from: any\n  nmae: latest\n');
  t.regex(error.message, /line 5, set\.nmae: this key is not known/);
  t.deepEqual(error.facts['faults'], [{ line: 5, key: 'set.nmae', message: 'this key is not known' }]);
});

test('every fault is listed', (t) => {
  const { facts } = refusal(
    'version: 1\nverify: 3\nset:\n  from: usb\ntargets:\n  first: {serial: X}\n  disk1: {}\n',
  );
  const text = JSON.stringify(facts['faults']);
  for (const fault of ['4 set.from', '6 targets.first', '7 targets.disk1', '2 verify']) {
    const [line, key] = fault.split(' ');
    t.true(text.includes(`"line":${line},"key":"${key}"`), fault);
  }
});

test('broken YAML, doubled keys, a future version and an alias bomb are refused', (t) => {
  refusal('version: [1\n');
  t.regex(refusal('version: 1\naction: restore\naction: backup\n').message, /line 3/);
  t.regex(refusal('version: 2\n').message, /line 1, version/);
  const bomb = ['version: 1', 'set: &a0 {x: y}'];
  for (let i = 1; i < 12; i++) {
    bomb.push(`k${i}: &a${i} [${Array.from({ length: 9 }, () => `*a${i - 1}`).join(', ')}]`);
  }
  refusal(bomb.join('\n'));
  refusal(`version: 1 # ${'x'.repeat(300_000)}`);
});

test('any text is either answers or a coded refusal', (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        parseAnswers(text, 'x');
      } catch (error) {
        if (!isCoded(error, 'answers-invalid')) throw error;
      }
    }),
  );
  t.pass();
});

test('open questions are named by id', (t) => {
  t.deepEqual(openIn('version: 1'), ['action', 'after']);
  t.deepEqual(openIn('version: 1\naction: restore'), ['set.from', 'targets', 'after']);
  t.deepEqual(openIn('version: 1\naction: backup\nafter: reboot'), ['backup.disks', 'backup.to']);
  t.deepEqual(openIn('version: 1\naction: shell'), []);
  const error = t.throws(() => requireAnswers(parseAnswers('version: 1', 'x')), { instanceOf: RemetalError });
  t.is(error.code, 'answers-missing');
  t.deepEqual(error.facts['questions'], ['action', 'after']);
});

function openIn(text: string): string[] {
  return openQuestions(parseAnswers(text, 'x'));
}

function refusal(text: string): RemetalError {
  try {
    parseAnswers(text, 'answers.yaml');
  } catch (error) {
    if (isCoded(error, 'answers-invalid')) return error;
    throw error;
  }
  throw new Error(`accepted: ${parse(text)}`);
}

/** The documented name of every key: nested ones with dots, those of a record under NAME. */
function keysOf(schema: z.core.$ZodType, prefix: string): string[] {
  let inner: unknown = schema;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault) inner = inner.unwrap();
  if (inner instanceof z.ZodRecord) return keysOf(inner.valueType, `${prefix}NAME.`);
  if (!(inner instanceof z.ZodObject)) return [];
  return Object.entries(inner.shape).flatMap(([key, value]) => [
    `${prefix}${key}`,
    ...keysOf(value, `${prefix}${key}.`),
  ]);
}
