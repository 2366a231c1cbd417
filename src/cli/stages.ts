import type { Writable } from 'node:stream';
import { DefaultRenderer, Listr, ListrLogger, ProcessOutput } from 'listr2';
import { createRateMeter, type Progress, type Reporter } from '../progress/index.ts';
import { noticeText, phaseTitles, progressBar } from './output.ts';

type Phase = Progress['phase'];
type Ending = 'done' | 'skipped' | 'failed';

/** The stages of a long operation, drawn on one terminal while its reports come in. */
export interface Stages {
  readonly reporter: Reporter;
  /** Shows a question under the current stage until it is answered, which null says. */
  ask(question: string | null): void;
  /** Ends the drawing; what was not reached counts as skipped, or the current stage as failed. */
  end(how: 'done' | 'failed'): Promise<void>;
}

/** The stages of each operation, in the order their reports come. */
export const stagesOf = {
  backup: ['survey', 'backup', 'finish'],
  verify: ['verify'],
  restore: ['restore', 'grow', 'read-back', 'finish'],
} as const satisfies Record<string, readonly Phase[]>;

/* The terminal may be another than the process's own standard output, which is all listr2 looks at. */
class TerminalRenderer extends DefaultRenderer {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- its type is that of the one value it has
  static override nonTTY = true as unknown as false;
}

/** Draws `phases` as a list on `terminal`, with a bar, rate and time left under the current one. */
export function showStages(terminal: Writable, phases: readonly Phase[], clock: () => number): Stages {
  const rows = phases.map((phase) => ({
    phase,
    started: Promise.withResolvers<void>(),
    ended: Promise.withResolvers<Ending>(),
    /** What stands under it; kept, because the first report may come before the drawing has begun. */
    text: undefined as string | undefined,
    redraw: (): void => {},
  }));
  const meter = createRateMeter();
  let current = -1;
  let bar: string | undefined;
  let notice: string | undefined;
  let question: string | undefined;
  const draw = (): void => {
    // A question may come before the first stage has begun.
    const row = rows[Math.max(current, 0)]!;
    row.text = [bar, notice, question].filter((text) => text !== undefined).join('\n');
    row.redraw();
  };
  const reach = (index: number): void => {
    if (index <= current) return;
    rows[current]?.ended.resolve('done');
    for (const row of rows.slice(current + 1, index)) {
      row.started.resolve();
      row.ended.resolve('skipped');
    }
    rows[index]?.started.resolve();
    current = index;
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- listr2 uses what any Writable has
  const stream = terminal as NodeJS.WriteStream;
  const processOutput = new ProcessOutput(stream, stream);
  const list = new Listr(
    rows.map((row) => ({
      title: phaseTitles[row.phase],
      task: async (_context, task) => {
        row.redraw = () => {
          if (row.text !== undefined) task.output = row.text;
        };
        row.redraw();
        await row.started.promise;
        row.redraw();
        const how = await row.ended.promise;
        if (how === 'skipped') task.skip();
        if (how === 'failed') throw new Error(phaseTitles[row.phase]);
      },
      rendererOptions: { outputBar: 1 },
    })),
    {
      renderer: TerminalRenderer,
      rendererOptions: {
        collapseSkips: false,
        // A stage that was not needed is nothing to be warned of.
        icon: { SKIPPED_WITHOUT_COLLAPSE: '-' },
        showErrorMessage: false,
        logger: new ListrLogger({ useIcons: true, toStderr: [], processOutput }),
      },
      registerSignalListeners: false,
      exitOnError: true,
    },
  );
  const drawn = list.run().then(
    () => undefined,
    () => undefined,
  );
  return {
    reporter: {
      progress(progress) {
        const index = phases.indexOf(progress.phase);
        if (index < 0) return;
        reach(index);
        // Volumes that grow are read back before; what comes late is shown under the stage that is on.
        const late = index < current ? `${phaseTitles[progress.phase]}  ` : '';
        bar = late + progressBar(progress, meter.measure(progress, clock()));
        draw();
      },
      notice(told) {
        notice = noticeText(told);
      },
    },
    ask(asked) {
      question = asked ?? undefined;
      draw();
    },
    async end(how) {
      if (how === 'failed') {
        rows[Math.max(current, 0)]?.started.resolve();
        rows[Math.max(current, 0)]?.ended.resolve('failed');
      } else {
        rows[current]?.ended.resolve('done');
      }
      for (const row of rows) {
        row.started.resolve();
        row.ended.resolve('skipped');
      }
      await drawn;
    },
  };
}
