import { isMap, isNode, isSeq, LineCounter, parseDocument, type Document } from 'yaml';
import { z } from 'zod';
import { RemetalError } from '../errors/index.ts';
import { targetRuleSchema, wishesSchema } from '../restore/wishes.ts';
import { placeSchema } from './place.ts';

const planHash = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'a plan hash is sha256: and 64 hex digits');

/**
 * The answers file, version 1. Every key is described in docs/answers.md, which a test holds against
 * this schema. Keys without a default stay undefined, so that the kernel line and a person can fill them.
 */
export const answersSchema = z.strictObject({
  version: z.literal(1),
  action: z.enum(['restore', 'backup', 'shell']).optional(),
  set: z.strictObject({ from: placeSchema.optional(), name: z.string().min(1).default('latest') }).optional(),
  targets: z
    .record(
      z.string().regex(/^disk[1-9][0-9]*$/, 'a disk of a set is called disk1, disk2, …'),
      targetRuleSchema,
    )
    .optional(),
  grow: wishesSchema.shape.grow,
  fat32: z.boolean().default(false),
  volumes: wishesSchema.shape.volumes,
  release: wishesSchema.shape.release,
  plan: planHash.optional(),
  verify: z.boolean().default(false),
  onDamage: z.enum(['stop', 'go-on']).default('stop'),
  bootEntry: wishesSchema.shape.bootEntry,
  netware: wishesSchema.shape.netware,
  backup: z
    .strictObject({
      disks: z.array(targetRuleSchema).min(1).optional(),
      to: placeSchema.optional(),
      name: z.string().min(1).default('server'),
      note: z.string().default(''),
      allSectors: z.boolean().default(false),
      keepDeleted: z.boolean().default(false),
      since: z.string().min(1).optional(),
      onReadError: z.enum(['stop', 'skip']).default('stop'),
      level: z.number().int().min(0).max(19).default(1),
      partSize: z.union([z.number().int().positive(), z.string()]).optional(),
    })
    .optional(),
  wait: z.number().min(0).max(86_400).default(60),
  after: z.enum(['reboot', 'poweroff', 'shell']).optional(),
  onFailure: z.enum(['shell', 'poweroff', 'reboot', 'wait']).default('shell'),
});
export type Answers = z.infer<typeof answersSchema>;

/** One thing that is wrong in an answers file. */
export interface AnswersFault {
  /** Line counted from 1; null where no line can be named. */
  readonly line: number | null;
  /** The key, as `set.from`. */
  readonly key: string;
  readonly message: string;
}

const largest = 256 * 1024;

/**
 * Reads an answers file. Throws `answers-invalid`, with every fault in `facts.faults` and the first in
 * the message. `name` is what the file is called in messages.
 */
export function parseAnswers(text: string, name: string): Answers {
  if (text.length > largest) {
    throw refusal(name, [{ line: null, key: '', message: `it is larger than ${largest} bytes` }]);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, merge: false });
  if (document.errors.length > 0) {
    throw refusal(
      name,
      document.errors.map((error) => ({
        line: lines.linePos(error.pos[0]).line,
        key: '',
        message: error.message.split('\n')[0]!.replace(/ at line .*$/, ''),
      })),
    );
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 20 });
  } catch (cause) {
    throw refusal(name, [{ line: null, key: '', message: 'its aliases expand without end' }], cause);
  }
  const checked = answersSchema.safeParse(value);
  if (checked.success) return checked.data;
  throw refusal(
    name,
    checked.error.issues.flatMap((issue) => faultsOf(issue, document, lines)),
  );
}

function faultsOf(issue: z.core.$ZodIssue, document: Document, lines: LineCounter): AnswersFault[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      line: lineOf(document, lines, [...path, key]),
      key: [...path, key].join('.'),
      message: 'this key is not known',
    }));
  }
  return [{ line: lineOf(document, lines, path), key: path.join('.'), message: issue.message }];
}

/** The line of the key at `path`, or of the nearest thing above it that is there. */
function lineOf(document: Document, lines: LineCounter, path: readonly string[]): number | null {
  let node: unknown = document.contents;
  let line: number | null = null;
  for (const part of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => String(item.key) === part);
      if (pair === undefined) break;
      line = lineOfNode(pair.key, lines) ?? line;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(part)];
      line = lineOfNode(node, lines) ?? line;
    } else break;
  }
  return line;
}

function lineOfNode(node: unknown, lines: LineCounter): number | null {
  const range = isNode(node) ? node.range : null;
  return range ? lines.linePos(range[0]).line : null;
}

function refusal(name: string, faults: readonly AnswersFault[], cause?: unknown): RemetalError {
  const first = faults[0]!;
  const where = [first.line === null ? '' : `line ${first.line}`, first.key]
    .filter((part) => part !== '')
    .join(', ');
  const more = faults.length > 1 ? `, and ${faults.length - 1} more` : '';
  return new RemetalError(
    'answers-invalid',
    `The answers in ${name} are not understood: ${where === '' ? '' : `${where}: `}${first.message}${more}.`,
    { hint: 'docs/answers.md describes every key.', facts: { file: name, faults }, cause },
  );
}
