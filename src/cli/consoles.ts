import type { Readable, Writable } from 'node:stream';
import { checkbox, input, select } from '@inquirer/prompts';
import { eventLine, type Choice, type Console, type Question } from '../agent/index.ts';
import type { Reporter } from '../progress/index.ts';
import { kept } from './kept.ts';
import { noticeText, paced } from './output.ts';
import { readKeys } from './keys.ts';
import { showStages, stagesOf, type Stages } from './stages.ts';

/** One of the machine's consoles as the prompts and drawings need it. */
export interface ConsoleTerminal {
  readonly name: string;
  readonly kind: 'screen' | 'serial';
  readonly output: Writable & { readonly columns?: number };
  /** Begins to read what is typed; the caller destroys the stream when it has what it wants. */
  openInput(): Readable;
  /** Runs a shell there until it is left. */
  shell(signal: AbortSignal): Promise<void>;
}

export interface ConsoleRequest {
  readonly terminals: readonly ConsoleTerminal[];
  readonly clock: () => number;
  /** Milliseconds between two lines of progress. */
  readonly every: number;
  readonly signal: AbortSignal;
}

/* Narrower than this, or of unknown width, a terminal gets lines and no drawing. */
const drawableColumns = 40;

const bell = '\u0007';

type Ask<T> = (context: { input: Readable; output: Writable; signal: AbortSignal }) => Promise<T>;

function print(terminal: ConsoleTerminal, text: string): void {
  terminal.output.write(text);
}

/** All consoles of the machine as one. */
export function createConsole(request: ConsoleRequest): Console {
  const { terminals, signal } = request;
  let unattended = false;
  const drawings = new Map<ConsoleTerminal, Stages>();
  const event: Console['event'] = (name, facts) => {
    const line = eventLine(name, facts);
    for (const terminal of terminals) {
      if (unattended || terminal.kind === 'serial') print(terminal, `${line}\n`);
    }
  };

  const everywhere = async <T>(question: Question, ask: Ask<T>): Promise<T> => {
    event('question', { id: question.id });
    const over = new AbortController();
    const answered = Promise.withResolvers<{ answer: T; on: ConsoleTerminal }>();
    const asking = terminals.map(async (terminal) => {
      while (!over.signal.aborted) {
        const typed = terminal.openInput();
        try {
          const answer = await ask({
            input: typed,
            output: kept(terminal.output),
            signal: AbortSignal.any([over.signal, signal]),
          });
          answered.resolve({ answer, on: terminal });
          over.abort();
        } catch (error) {
          // Ctrl-C at a prompt asks again: there is nothing behind the agent to fall back to.
          if (error instanceof Error && error.name === 'ExitPromptError') continue;
          if (over.signal.aborted) return;
          answered.reject(error);
          over.abort();
        } finally {
          typed.destroy();
        }
      }
    });
    try {
      const { answer, on } = await answered.promise;
      await Promise.all(asking);
      for (const terminal of terminals) if (terminal !== on) print(terminal, `\n(answered on ${on.name})\n`);
      event('answered', { id: question.id, console: on.name });
      return answer;
    } finally {
      over.abort();
      await Promise.allSettled(asking);
    }
  };

  return {
    unattended(yes) {
      unattended = yes;
    },
    event,
    say(text) {
      for (const terminal of terminals) print(terminal, `${text}\n`);
    },
    choose: (question, choices) =>
      everywhere(question, (context) =>
        select(
          {
            message: question.message,
            choices: choices.map(asListed),
            theme: { indexMode: 'number' },
            loop: false,
            pageSize: 12,
          },
          context,
        ),
      ),
    chooseSeveral: (question, choices) =>
      everywhere(question, (context) =>
        checkbox(
          {
            message: question.message,
            choices: choices.map(asListed),
            required: true,
            loop: false,
            pageSize: 12,
          },
          context,
        ),
      ),
    async typed(question, word) {
      const answer = await everywhere(question, (context) => input({ message: question.message }, context));
      return answer.trim() === word;
    },
    line: (question, usual) =>
      everywhere(question, (context) => input({ message: question.message, default: usual }, context)),
    async pause(message, seconds) {
      for (const terminal of terminals) print(terminal, `${message}\n`);
      const pressed = Promise.withResolvers<boolean>();
      const timer = setTimeout(() => pressed.resolve(false), seconds * 1000);
      const inputs = terminals.map((terminal) => terminal.openInput());
      const stop = (): void => pressed.resolve(false);
      signal.addEventListener('abort', stop);
      for (const typed of inputs) typed.once('data', () => pressed.resolve(true));
      try {
        return await pressed.promise;
      } finally {
        clearTimeout(timer);
        signal.removeEventListener('abort', stop);
        for (const typed of inputs) typed.destroy();
      }
    },
    stand(question) {
      event('question', { id: question.id });
      const answered = Promise.withResolvers<'go-on' | 'give-up'>();
      const reading = terminals.map((terminal) => {
        const drawing = drawings.get(terminal);
        if (drawing === undefined) print(terminal, `${question.message}\n`);
        else drawing.ask(question.message);
        const typed = terminal.openInput();
        const stop = readKeys(typed, (key) => {
          // There is nothing behind the agent to fall back to; a line that hangs up says nothing.
          if (key !== 'enter' && key !== 'quit') return;
          event('answered', { id: question.id, console: terminal.name });
          answered.resolve(key === 'enter' ? 'go-on' : 'give-up');
        });
        return (): void => {
          stop();
          typed.destroy();
          drawings.get(terminal)?.ask(null);
        };
      });
      return {
        answer: answered.promise,
        ring() {
          for (const terminal of terminals) print(terminal, bell);
        },
        close() {
          for (const stop of reading) stop();
        },
      };
    },
    stages(operation) {
      for (const terminal of terminals) {
        const { kind, output } = terminal;
        if (unattended || kind !== 'screen' || (output.columns ?? 0) < drawableColumns) continue;
        drawings.set(terminal, showStages(output, stagesOf[operation], request.clock));
      }
      const drawn = [...drawings.values()];
      const lines: Reporter = paced(request, (progress, rate) =>
        event('progress', {
          percent: rate.percent,
          phase: progress.phase,
          done: progress.doneBytes,
          total: progress.totalBytes,
          rate: rate.bytesPerSecond === null ? null : Math.round(rate.bytesPerSecond),
          left: rate.secondsLeft,
          volume: progress.volume,
          buffer: progress.buffer === undefined ? undefined : Math.round(progress.buffer.fill * 100),
          stops: progress.buffer?.underruns,
        }),
      );
      return {
        reporter: {
          progress(progress) {
            lines.progress(progress);
            for (const { reporter } of drawn) reporter.progress(progress);
          },
          notice(notice) {
            event('notice', { level: notice.level, code: notice.code, message: notice.message });
            for (const { reporter } of drawn) reporter.notice(notice);
            if (drawn.length === 0) {
              for (const terminal of terminals) {
                if (!unattended && terminal.kind === 'screen') print(terminal, `${noticeText(notice)}\n`);
              }
            }
          },
        },
        async end(how) {
          drawings.clear();
          await Promise.all(drawn.map((stages) => stages.end(how)));
        },
      };
    },
    async shell() {
      const left = new AbortController();
      const either = AbortSignal.any([left.signal, signal]);
      await Promise.race(terminals.map((terminal) => terminal.shell(either)));
      left.abort();
    },
    close() {
      for (const { output } of terminals) output.end();
    },
  };
}

function asListed<T>(choice: Choice<T>): { value: T; name: string; disabled: string | false } {
  return { value: choice.value, name: choice.label, disabled: choice.disabled ?? false };
}
