/**
 * Which scenario starts next: in what order, and whether it would end in time. Pure: it knows what has
 * finished, what runs and what waits, and neither clocks nor processes.
 */

/**
 * What each scenario takes alone on an idle machine with two processors, in seconds; what matters is how they stand to
 * one another. The most telling first: in this order they are run when there is no time for all.
 */
const usualSeconds: Readonly<Record<string, number>> = {
  'host-backup': 140,
  'bios-cd': 280,
  'power-cut': 130,
  'secure-boot': 150,
  'uefi-usb': 150,
  netware: 190,
  'tape-changer': 250,
  'tape-power-cut': 200,
  'tape-faults': 110,
  'damaged-record': 140,
  'wrong-disk': 110,
  interactive: 120,
  'tape-oracle': 40,
  'tape-plain': 80,
  'tape-mount': 90,
  reproducible: 60,
  'tape-person': 250,
  'netware-boot': 394,
  drill: 650,
};

/** For one that is not in the table. */
const unknownSeconds = 200;

/** A scenario with the seconds it took, or has taken so far. */
export interface Timed {
  readonly name: string;
  readonly seconds: number;
}

export interface Standing {
  /** In the order of `inOrder`. */
  readonly waiting: readonly string[];
  readonly running: readonly Timed[];
  /** Those that passed in this run; one that failed says nothing of the machine's speed. */
  readonly finished: readonly Timed[];
  /** Those that passed on this machine before, each alone. */
  readonly seen: readonly Timed[];
  readonly lanes: number;
  /** Seconds until the time is up; null: there is no end. */
  readonly left: number | null;
}

function usual(name: string): number {
  return usualSeconds[name] ?? unknownSeconds;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** The most telling first, those nobody has placed last. */
export function inOrder(names: readonly string[]): string[] {
  const known = Object.keys(usualSeconds);
  const place = (name: string): number => (known.includes(name) ? known.indexOf(name) : known.length);
  return names.toSorted((a, b) => place(a) - place(b) || a.localeCompare(b));
}

/*
 * How much longer one takes with others beside it, at the best: a machine keeps 1.2 of two processors busy, and work
 * on one takes a quarter longer while the other is busy too. Measured, it was up to twice.
 */
function crowding(lanes: number): number {
  return 1 + (lanes - 1) * 0.5;
}

/**
 * How many times longer than usual scenarios take here and now: as those that passed took, and until there are some,
 * as those before. One that already runs longer than usual is proof before it has finished.
 */
export function slowness({ finished, seen, running, lanes }: Standing): number {
  const enough = finished.length >= lanes;
  const took = enough ? finished : [...finished, ...amongOthers(seen, lanes)];
  const expected = sum(took.map(({ name }) => usual(name)));
  const measured = expected === 0 ? crowding(lanes) : sum(took.map(({ seconds }) => seconds)) / expected;
  return Math.max(measured, ...running.map(({ name, seconds }) => seconds / usual(name)));
}

/* What those that ran alone would have taken among others. */
function amongOthers(seen: readonly Timed[], lanes: number): Timed[] {
  return seen.map(({ name, seconds }) => ({ name, seconds: seconds * crowding(lanes) }));
}

/* Two runs of one scenario are not equally long. */
const margin = 1.15;

/** The seconds within which a scenario surely ends that starts now. */
export function expectedSeconds(name: string, standing: Standing): number {
  return usual(name) * slowness(standing) * margin;
}

function longest(names: readonly string[]): string | null {
  return names.toSorted((a, b) => usual(b) - usual(a))[0] ?? null;
}

/**
 * The scenario to start on a free lane; null when none waits that would end in time. While there is time for
 * all, the longest go first, so that the lanes end together; otherwise the most telling.
 */
export function next(standing: Standing): string | null {
  const { waiting, running, lanes, left } = standing;
  if (left === null) return lanes === 1 ? (waiting[0] ?? null) : longest(waiting);
  const fitting = waiting.filter((name) => expectedSeconds(name, standing) <= left);
  const still = sum(
    running.map(({ name, seconds }) => Math.max(0, expectedSeconds(name, standing) - seconds)),
  );
  const all = still + sum(waiting.map((name) => expectedSeconds(name, standing)));
  const ample = lanes > 1 && fitting.length === waiting.length && all / lanes <= left;
  return ample ? longest(fitting) : (fitting[0] ?? null);
}
