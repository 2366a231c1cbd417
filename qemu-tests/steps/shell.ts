import type { Machine } from '../harness/index.ts';
import { parseAgentLine, type AgentLine } from './agent-lines.ts';
import { must } from './rig.ts';

/** Types a command into the appliance's shell and returns what came until it had ended, and with what status. */
async function typed(
  machine: Machine,
  command: string,
  seconds: number,
): Promise<{ said: string; status: number }> {
  // What is typed comes back on the console: only a shell can give the number.
  await machine.console.type(`${command}; echo "ended:$?:"\r`, 10);
  const [said, status] = await machine.console.expect(/[^]*?ended:(\d+):/, seconds);
  return { said, status: Number(status) };
}

/** The same for a command that has to succeed; returns what it said. */
export async function inShell(machine: Machine, command: string, seconds = 60): Promise<string> {
  const { said, status } = await typed(machine, command, seconds);
  must(status === 0, `${command} ended with ${status}: ${said}`);
  return said;
}

/** What the agent told in one run. */
export interface AgentRun {
  /** Of its line `finished`. */
  readonly status: number;
  /** Its lines as they were on the console. */
  readonly text: string;
  /** The values of the lines with a word. */
  of(word: string): readonly AgentLine['values'][];
}

function agentCommand(answers: Readonly<Record<string, unknown>>): string {
  const settled = { version: 1, after: 'poweroff', onFailure: 'poweroff', ...answers };
  // JSON is YAML too, and fits on one line.
  return `echo '${JSON.stringify(settled)}' >/etc/remetal/answers.yaml; remetal agent`;
}

/** Starts the agent as `agentInShell` does, and leaves it running. */
export async function startAgentInShell(
  machine: Machine,
  answers: Readonly<Record<string, unknown>>,
): Promise<void> {
  await machine.console.type(`${agentCommand(answers)}\r`, 10);
}

/**
 * Runs the agent in the shell of an appliance that has started with the action `shell`, by other answers than
 * those. Whatever it ends with, the machine stays on.
 */
export async function agentInShell(
  machine: Machine,
  answers: Readonly<Record<string, unknown>>,
  seconds: number,
): Promise<AgentRun> {
  const from = machine.console.lines.length;
  await typed(machine, agentCommand(answers), seconds);
  const text = machine.console.lines.slice(from).map((line) => line.text);
  const lines = text.flatMap((line) => parseAgentLine(line) ?? []);
  const of = (word: string): readonly AgentLine['values'][] =>
    lines.filter((line) => line.word === word).map(({ values }) => values);
  const finished = of('finished').at(-1);
  must(finished !== undefined, `The agent has not finished: ${text.slice(-10).join(' | ')}`);
  return { status: Number(finished['status']), text: text.join('\n'), of };
}

/** Throws unless a run of the agent finished with a status. */
export function mustFinish(run: AgentRun, status: number, what: string): void {
  must(
    run.status === status,
    `${what} finished with ${run.status} instead of ${status}: ${JSON.stringify(run.of('error'))}`,
  );
}
