import type { RecordSource } from './medium.ts';

/** A source that reads from a drive others read from too. */
export interface DriveSource extends RecordSource {
  record(ordinal: number): Promise<Buffer | null>;
  /** Another one moves the tape from now on; where this one stood is found again when it goes on. */
  letGo(): Promise<void>;
}

/** The sources of one drive take turns: what one of them knows of where the tape stands holds only while none other moves it. */
export class DriveTurns {
  #holder: DriveSource | null = null;
  #turn: Promise<unknown> = Promise.resolve();

  /** A source that waits for its turn at every step. */
  source(inner: DriveSource): RecordSource {
    const taking = async <T>(work: () => Promise<T>): Promise<T> => {
      const done = this.#turn.then(async () => {
        if (this.#holder !== inner) {
          await this.#holder?.letGo();
          this.#holder = inner;
        }
        return await work();
      });
      this.#turn = done.catch(() => {});
      return await done;
    };
    return {
      get parts() {
        return inner.parts;
      },
      get missing() {
        return inner.missing;
      },
      get committed() {
        return inner.committed;
      },
      get bytes() {
        return inner.bytes;
      },
      get place() {
        return inner.place;
      },
      next: () => taking(() => inner.next()),
      seek: (place) => taking(() => inner.seek(place)),
      record: (ordinal) => taking(() => inner.record(ordinal)),
      last: () => taking(() => inner.last()),
      close: () => taking(() => inner.close()),
    };
  }
}
