import { Writable } from 'node:stream';
import test from 'ava';
import { createOutput, noticeText, paced, progressBar, progressText } from '../../src/cli/output.ts';
import { showStages } from '../../src/cli/stages.ts';
import { shown, table } from '../../src/cli/table.ts';
import type { Progress } from '../../src/progress/index.ts';

const restoring = (doneBytes: number): Progress => ({
  phase: 'restore',
  volume: 'root',
  doneBytes,
  totalBytes: 1000 * 1024,
});

function collector(columns?: number): Writable & { text(): string; columns?: number } {
  const chunks: string[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk.toString());
      done();
    },
  });
  return Object.assign(stream, {
    text: () => chunks.join(''),
    ...(columns === undefined ? {} : { columns }),
  });
}

test('progress says phase, share, amount, rate, time left and volume', (t) => {
  const rate = { percent: 42, bytesPerSecond: 1024 * 1024, secondsLeft: 75 };
  t.is(
    progressText(restoring(420 * 1024), rate),
    'Restore  42 %  420 KiB of 1000 KiB  1.00 MiB/s  1:15 left  (root)',
  );
  t.true(progressBar(restoring(420 * 1024), rate, 10).startsWith('[####......]  42 %'));
  t.is(noticeText({ level: 'warning', code: 'x', message: 'Look.' }), 'warning: Look.');
});

test('lines come at the start, at the end and every few seconds between', (t) => {
  let now = 0;
  const lines: number[] = [];
  const reporter = paced({ clock: () => now, every: 5000 }, (progress) => lines.push(progress.doneBytes));
  for (let i = 0; i <= 100; i++) {
    now = i * 200;
    reporter.progress(restoring(i * 10 * 1024));
  }
  reporter.progress(restoring(1000 * 1024));
  t.deepEqual(
    lines.map((bytes) => bytes / 10_240),
    [0, 25, 50, 75, 100],
  );
});

test('with --json everything is one object a line on standard output', (t) => {
  const stdout = collector();
  const stderr = collector();
  const output = createOutput({ stdout, stderr, json: true, quiet: false, clock: () => 0, every: 0 });
  output.remark('for people');
  output.reporter.progress(restoring(0));
  output.reporter.notice({ level: 'info', code: 'gpt-repaired', message: 'It was.' });
  output.result({ verb: 'x' }, 'text\n');
  t.is(stderr.text(), '');
  const lines = stdout
    .text()
    .trimEnd()
    .split('\n')
    .map((line) => /^\{"type":"([a-z]+)",.*\}$/.exec(line)?.[1]);
  t.deepEqual(lines, ['progress', 'notice', 'result']);
});

test('with --quiet only results and warnings are printed', (t) => {
  const stdout = collector();
  const stderr = collector();
  const output = createOutput({ stdout, stderr, json: false, quiet: true, clock: () => 0, every: 0 });
  output.remark('for people');
  output.reporter.progress(restoring(0));
  output.reporter.notice({ level: 'info', code: 'a', message: 'Fine.' });
  output.reporter.notice({ level: 'warning', code: 'b', message: 'Not fine.' });
  output.result({}, 'text\n');
  t.is(stderr.text(), 'warning: Not fine.\n');
  t.is(stdout.text(), 'text\n');
});

test('stages are drawn with their bar and end as they ended', async (t) => {
  for (const how of ['done', 'failed'] as const) {
    const terminal = collector(100);
    const stages = showStages(terminal, ['restore', 'grow', 'finish'], () => 0);
    stages.reporter.progress(restoring(500 * 1024));
    await new Promise((resolve) => setTimeout(resolve, 250));
    await stages.end(how);
    t.true(terminal.text().includes('Restore'));
    t.regex(terminal.text(), /\[#+\.+\]\s+50 %/);
    t.true(terminal.text().includes('Grow file systems'));
  }
});

test('a table is aligned, and text from foreign disks cannot move the cursor', (t) => {
  t.is(table(['a', 'bb'], [['ccc', 'd']]), 'a    bb\nccc  d\n');
  t.is(shown('web\u001b[2J1\n'), 'web\\u001b[2J1\\n');
});
