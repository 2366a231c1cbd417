/** One report of how far a long operation is. All counts are bytes of plain (uncompressed) data. */
export interface Progress {
  /** What is being done: a short verb phrase in the field's terms, the same for the whole phase. */
  readonly phase: 'survey' | 'backup' | 'verify' | 'restore' | 'read-back' | 'grow' | 'extract' | 'finish';
  /** The volume being worked on, by its name. */
  readonly volume?: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** The buffer before a medium that must not wait. */
  readonly buffer?: BufferReport;
}

/** How well a medium that must not wait can be fed. */
export interface BufferReport {
  /** Share of the buffer that is full, 0 to 1. */
  readonly fill: number;
  /** Times it ran empty while more was to come: the drive had to stop. */
  readonly underruns: number;
}

/** Something a person should know that does not stop the work. */
export interface Notice {
  readonly level: 'info' | 'warning';
  /** Stable word for machines, e.g. `gpt-repaired`, `map-untrusted`. */
  readonly code: string;
  readonly message: string;
  readonly facts?: Readonly<Record<string, unknown>>;
}

/** Where an operation reports to; the command line draws it, tests collect it. */
export interface Reporter {
  progress(progress: Progress): void;
  notice(notice: Notice): void;
}

/** A reporter that tells nobody. */
export const silent: Reporter = { progress: () => {}, notice: () => {} };
