/** A difference that is known: which steps end otherwise, and how. */
export interface Difference {
  readonly because: string;
  /** Number of the step, from 1, to the line that may stand in place of the expected one. */
  readonly lines: Readonly<Record<number, string>>;
}

export interface Comparison {
  /** What differs and is not allowed. */
  readonly unlike: readonly string[];
  /** Lines that differ as allowed. */
  readonly allowances: number;
  /** Reasons none of whose lines differs any more. */
  readonly unneeded: readonly string[];
}

/** Compares what the steps ended with, line by line. */
export function compare(
  expected: readonly string[],
  found: readonly string[],
  allowed: readonly Difference[],
): Comparison {
  const unlike: string[] = [];
  const needed = new Set<string>();
  let allowances = 0;
  if (found.length !== expected.length) unlike.push(`${found.length} lines instead of ${expected.length}`);
  for (const [index, line] of found.entries()) {
    if (line === expected[index]) continue;
    const difference = allowed.find(({ lines }) => lines[index + 1] === line);
    if (difference === undefined) unlike.push(`step ${index + 1}: ${line} instead of ${expected[index]}`);
    else {
      allowances++;
      needed.add(difference.because);
    }
  }
  return {
    unlike,
    allowances,
    unneeded: allowed.map(({ because }) => because).filter((because) => !needed.has(because)),
  };
}
