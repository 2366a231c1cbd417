import type { Answer, ScsiDrive } from '../../src/tape/virtual/index.ts';
import type { LogicalUnit } from './iscsi-session.ts';

/** A virtual drive as a unit of the target: switched on with the target, its commands one after another. */
export class SscDrive implements LogicalUnit {
  readonly #scsi: ScsiDrive;
  #last: Promise<unknown> = Promise.resolve();

  constructor(scsi: ScsiDrive) {
    this.#scsi = scsi;
    scsi.reset();
  }

  get serial(): string {
    return this.#scsi.bay.serial;
  }

  /** Two sessions may send at a time. */
  execute(command: Buffer, sent: Buffer): Promise<Answer> {
    const answer = this.#last.then(() => this.#scsi.execute(command, sent));
    this.#last = answer.catch(() => {});
    return answer;
  }
}
