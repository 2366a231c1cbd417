import { RemetalError } from '../errors/index.ts';
import { answersSchema, type Answers } from './answers.ts';

/** How much the agent may do by itself. */
export type Mode = 'attended' | 'automatic' | 'unattended';

/** What the kernel line says to the agent. */
export interface KernelWords {
  /** The mode it asks for; null where it says nothing. */
  readonly mode: Mode | null;
  /** The place of an answers file; null where none is named. */
  readonly answers: string | null;
  /** Single answers, as keys of the answers file; they win over a file. */
  readonly overrides: Readonly<Record<string, unknown>>;
}

const aliases: Readonly<Record<string, Mode>> = {
  'remetal.menu': 'attended',
  'remetal.automatic': 'automatic',
  // The shell is given before the agent starts; afterwards it asks.
  'remetal.shell': 'attended',
  auto_recover: 'automatic',
  automatic: 'automatic',
  'remetal.unattended': 'unattended',
  unattended: 'unattended',
};

/**
 * Reads the kernel line: words of ours begin with `remetal.`, everything else but the aliases is the
 * kernel's and ignored. Throws `answers-invalid` for a word of ours that is not known: a mistyped word
 * must not turn into another restore.
 */
export function parseKernelLine(line: string): KernelWords {
  const modes = new Set<Mode>();
  let answers: string | null = null;
  const overrides: Record<string, unknown> = {};
  const targets: Record<string, unknown> = {};
  const set: Record<string, unknown> = {};
  for (const word of words(line)) {
    const alias = aliases[word];
    if (alias !== undefined) {
      modes.add(alias);
      continue;
    }
    if (!word.startsWith('remetal.')) continue;
    const at = word.indexOf('=');
    const key = at < 0 ? word.slice(8) : word.slice(8, at);
    const value = at < 0 ? null : word.slice(at + 1);
    const wanted = (): string => {
      if (value === null || value === '') throw unknownWord(word, 'needs a value');
      return value;
    };
    if (key === 'answers') answers = wanted();
    else if (key === 'action') overrides['action'] = wanted();
    else if (key === 'set') set['from'] = wanted();
    else if (key === 'set-name') set['name'] = wanted();
    else if (key.startsWith('target.')) targets[key.slice(7)] = parseRule(wanted(), word);
    else if (key === 'release') overrides['release'] = wanted().split(',').filter(Boolean);
    else if (key === 'grow') overrides['grow'] = wanted();
    else if (key === 'fat32') overrides['fat32'] = value !== 'no';
    else if (key === 'plan') overrides['plan'] = wanted();
    else if (key === 'verify') overrides['verify'] = value !== 'no';
    else if (key === 'on-damage') overrides['onDamage'] = wanted();
    else if (key === 'after') overrides['after'] = wanted();
    else if (key === 'on-failure') overrides['onFailure'] = wanted();
    else if (key === 'wait') overrides['wait'] = Number(wanted());
    else throw unknownWord(word, 'is not known');
  }
  if (Object.keys(targets).length > 0) overrides['targets'] = targets;
  if (Object.keys(set).length > 0) overrides['set'] = set;
  return {
    // `remetal.menu` wins: a person at the console takes back what the image says.
    mode: modes.has('attended')
      ? 'attended'
      : modes.has('unattended') || answers !== null
        ? 'unattended'
        : modes.has('automatic')
          ? 'automatic'
          : null,
    answers,
    overrides,
  };
}

/** `serial:XYZ`, `wwn:…`, `path:…`, `model:…`, `transport:…` or `only`, as a target rule. */
export function parseRule(text: string, where: string): Record<string, unknown> {
  if (text === 'only') return { only: true };
  const at = text.indexOf(':');
  const field = text.slice(0, at);
  if (at > 0 && at < text.length - 1 && ruleFields.includes(field)) return { [field]: text.slice(at + 1) };
  throw new RemetalError('answers-invalid', `The target rule in ${where} is not understood.`, {
    hint: `Write one of ${ruleFields.map((name) => `${name}:…`).join(', ')}, or only.`,
    facts: { rule: text },
  });
}

const ruleFields = ['serial', 'wwn', 'path', 'model', 'transport', 'minSize', 'maxSize'];

/** The answers of the file with those of the kernel line over them. Throws `answers-invalid`. */
export function mergeAnswers(file: Answers | null, overrides: Readonly<Record<string, unknown>>): Answers {
  const merged: Record<string, unknown> = { version: 1, ...file, ...overrides };
  for (const key of ['set', 'targets'] as const) {
    const over = overrides[key];
    if (file?.[key] !== undefined && typeof over === 'object') merged[key] = { ...file[key], ...over };
  }
  const checked = answersSchema.safeParse(merged);
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0]!;
  throw new RemetalError(
    'answers-invalid',
    `The kernel line is not understood: ${issue.path.map(String).join('.')}: ${issue.message}.`,
    { hint: 'docs/operator.md lists the words.', facts: { key: issue.path.map(String).join('.') } },
  );
}

function unknownWord(word: string, why: string): RemetalError {
  return new RemetalError('answers-invalid', `The word ${word} on the kernel line ${why}.`, {
    hint: 'docs/operator.md lists the words.',
    facts: { word },
  });
}

/** Words are parted by blanks; double quotes keep blanks in a value, as the kernel reads them. */
function words(line: string): string[] {
  return [...line.matchAll(/(?:[^\s"]|"[^"]*")+/g)].map((match) => match[0].replaceAll('"', ''));
}
