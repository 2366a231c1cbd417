import type { Writable } from 'node:stream';
import { formatBytes, formatDuration } from '../bytes/index.ts';
import {
  createRateMeter,
  type BufferReport,
  type Notice,
  type Progress,
  type Rate,
  type Reporter,
} from '../progress/index.ts';

/** What a line of progress says, the same on every console. */
export const phaseTitles: Readonly<Record<Progress['phase'], string>> = {
  survey: 'Look at the disks',
  backup: 'Back up',
  verify: 'Verify',
  restore: 'Restore',
  'read-back': 'Read back and compare',
  grow: 'Grow file systems',
  extract: 'Extract files',
  finish: 'Finish',
};

/** Where a verb prints: text for people, or one JSON object a line for programs. */
export interface Output {
  readonly json: boolean;
  /** The end of a verb: `facts` as the JSON result, or `text` on standard output. */
  result(facts: Readonly<Record<string, unknown>>, text: string): void;
  /** A JSON line of its own kind; nothing without `--json`. */
  event(facts: Readonly<Record<string, unknown>>): void;
  /** A remark for the person on standard error; nothing with `--json` or `--quiet`. */
  remark(text: string): void;
  /** Reports as JSON lines, or as plain text lines every few seconds. */
  readonly reporter: Reporter;
}

export interface OutputRequest {
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly json: boolean;
  readonly quiet: boolean;
  /** Milliseconds of a steady clock. */
  readonly clock: () => number;
  /** Milliseconds between two lines of progress of the same phase. */
  readonly every: number;
}

export function createOutput(request: OutputRequest): Output {
  const { stdout, stderr, json, quiet } = request;
  const object = (value: Readonly<Record<string, unknown>>): void => {
    stdout.write(`${JSON.stringify(value)}\n`);
  };
  const plain: Reporter = paced(request, (progress, rate) =>
    stderr.write(`${progressText(progress, rate)}\n`),
  );
  return {
    json,
    result(facts, text) {
      if (json) object({ type: 'result', ...facts });
      else stdout.write(text);
    },
    event(facts) {
      if (json) object(facts);
    },
    remark(text) {
      if (!json && !quiet) stderr.write(`${text}\n`);
    },
    reporter: json
      ? {
          ...paced(request, (progress, rate) => object({ type: 'progress', ...progress, ...rate })),
          notice: (notice) => object({ type: 'notice', ...notice }),
        }
      : {
          progress: (progress) => {
            if (!quiet) plain.progress(progress);
          },
          notice: (notice) => {
            if (!quiet || notice.level === 'warning') stderr.write(`${noticeText(notice)}\n`);
          },
        },
  };
}

/** A reporter that hands on progress at the start and end of a phase and every `every` milliseconds between. */
export function paced(
  { clock, every }: Pick<OutputRequest, 'clock' | 'every'>,
  print: (progress: Progress, rate: Rate) => void,
): Reporter {
  const meter = createRateMeter();
  let phase: string | undefined;
  let printedAt = Number.NEGATIVE_INFINITY;
  let complete = false;
  return {
    progress(progress) {
      const now = clock();
      const rate = meter.measure(progress, now);
      if (progress.phase !== phase) complete = false;
      const ending = rate.percent === 100 && !complete;
      if (progress.phase === phase && !ending && now - printedAt < every) return;
      phase = progress.phase;
      printedAt = now;
      complete = rate.percent === 100;
      print(progress, rate);
    },
    notice: () => {},
  };
}

/** `Restore  42 %  1.2 GiB of 2.9 GiB  180 MiB/s  10 s left  (root)` */
export function progressText(progress: Progress, rate: Rate): string {
  return [phaseTitles[progress.phase], ...figures(progress, rate)].join('  ');
}

/** The same with a bar, for a terminal. */
export function progressBar(progress: Progress, rate: Rate, width = 24): string {
  const filled = Math.round((rate.percent / 100) * width);
  if (progress.phase === 'survey') return figures(progress, rate).join('');
  return [`[${'#'.repeat(filled)}${'.'.repeat(width - filled)}]`, ...figures(progress, rate)].join('  ');
}

function figures(progress: Progress, rate: Rate): string[] {
  // A survey counts volumes, not bytes; how far it is says its volume.
  if (progress.phase === 'survey') return progress.volume === undefined ? [] : [`(${progress.volume})`];
  const parts = [
    `${rate.percent} %`,
    `${formatBytes(progress.doneBytes)} of ${formatBytes(progress.totalBytes)}`,
  ];
  if (rate.bytesPerSecond !== null) parts.push(`${formatBytes(Math.round(rate.bytesPerSecond))}/s`);
  if (rate.secondsLeft !== null && rate.percent < 100) parts.push(`${formatDuration(rate.secondsLeft)} left`);
  if (progress.buffer !== undefined) parts.push(bufferText(progress.buffer));
  if (progress.volume !== undefined) parts.push(`(${progress.volume})`);
  return parts;
}

/** `buffer 80 %, 2 stops` */
function bufferText({ fill, underruns }: BufferReport): string {
  const stops = underruns === 1 ? '1 stop' : `${underruns} stops`;
  return `buffer ${Math.round(fill * 100)} %${underruns === 0 ? '' : `, ${stops}`}`;
}

export function noticeText(notice: Notice): string {
  return `${notice.level === 'warning' ? 'warning' : 'note'}: ${notice.message}`;
}
