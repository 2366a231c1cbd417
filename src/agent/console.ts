import type { Reporter } from '../progress/index.ts';

/** Plain values of a line for machines. */
export type Facts = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface Choice<T> {
  readonly value: T;
  readonly label: string;
  /** Why it cannot be chosen; absent where it can. */
  readonly disabled?: string;
}

/** A question that stands on the consoles while something else is looked at. */
export interface StandingQuestion {
  /** What a person says to it: Enter, or q. Pending until then. */
  readonly answer: Promise<'go-on' | 'give-up'>;
  /** Rings the bell of every console. */
  ring(): void;
  /** Takes the question away. */
  close(): void;
}

export interface Question {
  /** As in docs/operator.md: `action`, `set`, `target.disk1`, … */
  readonly id: string;
  readonly message: string;
}

/**
 * The person's side of the agent: every console of the machine at once. The command line implements
 * it; the agent prints nothing itself.
 */
export interface Console {
  /** With nobody at the keyboard the lines for machines stand on the screen as well. */
  unattended(yes: boolean): void;
  /** A line for machines, `REMETAL: name key=value`, as docs/operator.md lists them. */
  event(name: string, facts: Facts): void;
  /** Text for people, on every console. */
  say(text: string): void;
  /** Asks on every console; the first answer counts, the other consoles are told. */
  choose<T>(question: Question, choices: readonly Choice<T>[]): Promise<T>;
  /** Asks for several; at least one is chosen. */
  chooseSeveral<T>(question: Question, choices: readonly Choice<T>[]): Promise<T[]>;
  /** True when the very word is typed, false for anything else. */
  typed(question: Question, word: string): Promise<boolean>;
  /** Asks for a line of text; `usual` is what Enter alone means. */
  line(question: Question, usual: string): Promise<string>;
  /** Waits for a key press or `seconds`; true when a key was pressed. */
  pause(message: string, seconds: number): Promise<boolean>;
  /** Shows a question on every console, also beside a long operation, until it is closed. */
  stand(question: Question): StandingQuestion;
  /** Shows a long operation: a drawing on the screen, lines on the serial consoles. */
  stages(operation: 'backup' | 'restore'): ConsoleStages;
  /** Gives a shell on every console until one of them is left. */
  shell(): Promise<void>;
  close(): void;
}

export interface ConsoleStages {
  readonly reporter: Reporter;
  end(how: 'done' | 'failed'): Promise<void>;
}

/** One line for machines. Values that are not plain words are JSON strings; absent ones are left out. */
export function eventLine(name: string, facts: Facts): string {
  const parts = Object.entries(facts).flatMap(([key, value]) =>
    value === undefined || value === null ? [] : [`${key}=${eventValue(value)}`],
  );
  return ['REMETAL:', name, ...parts].join(' ');
}

function eventValue(value: string | number | boolean): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  const text = String(value);
  return /^[A-Za-z0-9._:/@%+,-]+$/.test(text) ? text : JSON.stringify(text);
}
