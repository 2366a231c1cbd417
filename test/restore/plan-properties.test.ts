import test from 'ava';
import fc from 'fast-check';
import { memoryDisk } from '../../src/disk/index.ts';
import { RemetalError } from '../../src/errors/index.ts';
import { readTable, tableWrites } from '../../src/layout/index.ts';
import { neededSectors } from '../../src/restore/plan-arrangement.ts';
import { describePlan } from '../../src/restore/plan-description.ts';
import { digestOfBytes, parsePlan, planHash, type Plan } from '../../src/restore/plan-document.ts';
import { plan } from '../../src/restore/plan.ts';
import type { PlanInput } from '../../src/restore/request.ts';
import { anyInput, target } from './plan-inputs.ts';

interface Run {
  readonly what: string;
  readonly start: number;
  readonly end: number;
}

/** The sectors that the kept bytes of a volume go to, each extent traced through the step's segments. */
function landings(made: Plan, input: PlanInput): Run[] {
  const { sectorSize } = made.targets[0]!;
  return made.steps.flatMap((step) => {
    if (step.kind !== 'volume' && step.kind !== 'boot') return [];
    const map = input.maps.find((candidate) => candidate.volume === step.volume)!;
    return [...map.control, ...map.data].flatMap(({ start, length }) => {
      const runs: Run[] = [];
      let at = start / sectorSize;
      let left = length / sectorSize;
      let base = 0;
      for (const segment of step.segments) {
        const count = Math.min(left, base + segment.count - at);
        if (count > 0 && at >= base) {
          runs.push({
            what: step.volume,
            start: segment.start + at - base,
            end: segment.start + at - base + count,
          });
          at += count;
          left -= count;
        }
        base += segment.count;
      }
      if (left > 0) throw new Error(`${left} sectors of ${step.volume} land nowhere`);
      return runs;
    });
  });
}

function overlap(runs: readonly Run[], sectors: number): string | null {
  const sorted = runs.toSorted((a, b) => a.start - b.start);
  for (const [index, run] of sorted.entries()) {
    if (run.start < 0 || run.end > sectors) return `${run.what} leaves the disk`;
    const next = sorted[index + 1];
    if (next !== undefined && run.end > next.start)
      return `${run.what} and ${next.what} meet at ${next.start}`;
  }
  return null;
}

function checkRanges(made: Plan, input: PlanInput): string | null {
  const { size, sectorSize } = made.targets[0]!;
  const sectors = size / sectorSize;
  const data = landings(made, input);
  const journal = made.journal;
  const wipes = made.steps.flatMap((step) =>
    step.kind === 'wipe'
      ? step.ranges.map(({ start, count }) => ({ what: step.what, start, end: start + count }))
      : [],
  );
  const kept =
    journal === null ? [] : [{ what: 'journal', start: journal.start, end: journal.start + journal.count }];
  const table = made.steps.flatMap((step) =>
    step.kind === 'table' && step.start > 0
      ? [{ what: step.what, start: step.start, end: step.start + step.count }]
      : [],
  );
  const spared = wipes.filter((run) => !run.what.endsWith('the disk'));
  return (
    overlap([...data, ...spared, ...kept], sectors) ??
    overlap([...wipes, ...kept], sectors) ??
    overlap([...data, ...table, ...kept], sectors)
  );
}

test('nothing overlaps, leaves the disk or lands twice; every kept byte lands', (t) => {
  fc.assert(
    fc.property(anyInput, (input) => {
      const made = plan(input);
      const wrong = checkRanges(made, input);
      if (wrong !== null) throw new Error(wrong);
    }),
    { numRuns: 300 },
  );
  t.pass();
});

test('equal input gives an equal plan, a stable hash, and the document comes back', (t) => {
  fc.assert(
    fc.property(anyInput, (input) => {
      const made = plan(input);
      const again = plan(structuredClone(input));
      if (again.hash !== made.hash || planHash(made) !== made.hash) throw new Error('hash');
      const parsed = parsePlan(JSON.parse(JSON.stringify(made)));
      if (planHash(parsed) !== made.hash) throw new Error('hash of the document');
      if (describePlan(made).join('\n') !== describePlan(parsed).join('\n')) throw new Error('description');
    }),
    { numRuns: 60 },
  );
  t.pass();
});

test('the table of a plan is read back from the disk it is written to, grown or not', async (t) => {
  let grown = 0;
  await fc.assert(
    fc.asyncProperty(anyInput, async (input) => {
      const made = plan(input);
      const [aim] = made.targets;
      const disk = memoryDisk(aim!.size, aim);
      const sector0 = Buffer.alloc(aim!.sectorSize);
      for (const step of made.steps) {
        if (step.kind !== 'table') continue;
        const write = tableWrites(aim!.table, aim!).find((candidate) => candidate.offset === step.offset)!;
        if (digestOfBytes(write.bytes) !== step.digest) throw new Error(step.what);
        if (write.offset < aim!.sectorSize) write.bytes.copy(sector0, write.offset);
        else await disk.write(write.bytes, write.offset);
      }
      await disk.write(sector0, 0);
      const { table, notices } = await readTable(disk);
      t.deepEqual(table, aim!.table);
      t.deepEqual(notices, []);
      for (const step of made.steps) {
        if (step.kind !== 'grow' || table.kind === 'none') continue;
        grown++;
        const found = table.partitions.find((partition) => partition.start === step.start);
        if (found?.length !== step.count || step.count <= step.oldCount) throw new Error('growth');
      }
    }),
    { numRuns: 150 },
  );
  t.true(grown > 10);
});

test('a target of exactly the needed size passes, one sector less is refused by one', (t) => {
  fc.assert(
    fc.property(anyInput, (input) => {
      const [disk] = input.layout.disks;
      const { sectorSize } = disk!.identity;
      const needed = neededSectors({ disk: disk!, volumes: input.layout.volumes, wholeBytes: 0 }, sectorSize);
      const made = plan({ ...input, candidates: [target({ size: needed * sectorSize, sectorSize })] });
      const wrong = checkRanges(made, input);
      if (wrong !== null) throw new Error(wrong);
      const error = t.throws<RemetalError>(() =>
        plan({ ...input, candidates: [target({ size: (needed - 1) * sectorSize, sectorSize })] }),
      );
      t.is(error.code, 'target-too-small');
      t.is(error.facts['missingSectors'], 1);
      t.is(error.facts['missingBytes'], sectorSize);
    }),
    { numRuns: 100 },
  );
});
