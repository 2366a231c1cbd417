import type { Original } from '../server/index.ts';

/** What a scenario is given. */
export interface Rig {
  /** Where its logs and screenshots go; kept after the run. */
  readonly logs: string;
  /** For its disks; removed after the run. */
  readonly scratch: string;
  /** For what several scenarios of one run share; removed after the run. */
  readonly shared: string;
  readonly original: Original;
  /** Prints what is being done. */
  tell(line: string): void;
}

/** One whole way through the product, in a folder of its own. */
export interface Scenario {
  /** One sentence: what is shown when it passes. */
  readonly proves: string;
  /** It fails when it runs longer than this. */
  readonly seconds: number;
  run(rig: Rig): Promise<void>;
}

/** Throws with `message` unless `holds`. */
export function must(holds: boolean, message: string): asserts holds {
  if (!holds) throw new Error(message);
}
