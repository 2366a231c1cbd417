import type { Machine } from '../harness/index.ts';

/** One line the agent printed for machines, as docs/operator.md lists them. */
export interface AgentLine {
  readonly word: string;
  readonly values: Readonly<Record<string, string>>;
}

const valuePattern = /([a-z][a-z0-9-]*)=("(?:[^"\\]|\\.)*"|\S*)/g;

/** Reads `REMETAL: word key=value …`; null for any other line. */
export function parseAgentLine(text: string): AgentLine | null {
  const match = /REMETAL: ([a-z][a-z-]*)(.*)$/.exec(text);
  if (match === null) return null;
  const [, word = '', rest = ''] = match;
  const values: Record<string, string> = {};
  for (const [, key = '', value = ''] of rest.matchAll(valuePattern)) {
    values[key] = value.startsWith('"') ? String(JSON.parse(value)) : value;
  }
  return { word, values };
}

/** Every line the agent has printed so far. */
export function agentLines(machine: Machine): AgentLine[] {
  return machine.console.lines.flatMap(({ text }) => parseAgentLine(text) ?? []);
}

/** Waits for the agent's next line `word` and returns its values; an error of the agent ends the wait. */
export async function nextAgentLine(
  machine: Machine,
  word: string,
  seconds: number,
): Promise<AgentLine['values']> {
  const wanted = word === 'error' || word === 'finished' ? word : `${word}|error`;
  const [line] = await machine.console.expect(
    new RegExp(`REMETAL: (?:${wanted})\\b[^\\r\\n]*\\r?\\n`),
    seconds,
  );
  const parsed = parseAgentLine(line.trimEnd());
  if (parsed === null) throw new Error(`This is no line of the agent: ${line}`);
  if (parsed.word !== word) throw new Error(`The agent said: ${line.trim()}`);
  return parsed.values;
}
