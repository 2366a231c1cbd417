import { sendTo, type FoundChanger, type FoundTapeDrive } from '../system/index.ts';
import { decodeDriveElements, readDriveElements, type DriveElement } from './scsi.ts';

/** Where a drive is built in. */
export interface PlaceInChanger {
  readonly changer: FoundChanger;
  /** The number the changer has for the drive, as `Changer` takes it. */
  readonly drive: number;
}

/** What a changer says of its drives; null where it does not. */
export type AskChanger = (changer: FoundChanger) => Promise<readonly DriveElement[] | null>;

const ask: AskChanger = async ({ path }) => {
  // News of a reset is told once, in place of the answer.
  for (let tries = 0; tries < 3; tries++) {
    const answer = await sendTo(path, readDriveElements).catch(() => null);
    if (answer === null) return null;
    const elements = decodeDriveElements(answer);
    if (elements !== null) return elements;
  }
  return null;
};

/** Of an identifier of the T10 kind: eight columns of vendor, sixteen of model, then the serial (SPC-4). */
const serialColumn = 24;

function isOf({ identifier }: DriveElement, { serial }: FoundTapeDrive): boolean {
  if (identifier === null || serial === null) return false;
  const names = [identifier, identifier.slice(serialColumn).trim(), identifier.split(/\s+/).at(-1)];
  return names.includes(serial);
}

/**
 * The changer that fills a drive, found by the drive's serial number. Where no changer knows its drives by
 * name, a lone drive belongs to a lone changer that has one drive. Null for a drive that stands alone, and
 * where it cannot be told.
 */
export async function changerOfDrive(
  drive: FoundTapeDrive,
  drives: readonly FoundTapeDrive[],
  changers: readonly FoundChanger[],
  asked: AskChanger = ask,
): Promise<PlaceInChanger | null> {
  const places: PlaceInChanger[] = [];
  let nameless = 0;
  let lone: PlaceInChanger | null = null;
  for (const changer of changers) {
    const elements = await asked(changer);
    const element = elements?.find((candidate) => isOf(candidate, drive));
    if (element !== undefined) places.push({ changer, drive: element.number });
    const unnamed = elements === null || elements.every(({ identifier }) => identifier === null);
    if (unnamed) {
      nameless++;
      if (elements === null || elements.length === 1) lone = { changer, drive: 0 };
    }
  }
  if (places.length > 0) return places.length === 1 ? places[0]! : null;
  return drives.length === 1 && changers.length === 1 && nameless === 1 ? lone : null;
}

/**
 * Whether a changer may be the one that fills a drive, as far as names tell: not where each of its drives is
 * another one of this machine.
 */
export async function mayFill(
  changer: FoundChanger,
  drive: FoundTapeDrive,
  drives: readonly FoundTapeDrive[],
  asked: AskChanger = ask,
): Promise<boolean> {
  const elements = await asked(changer);
  if (elements === null || elements.length === 0) return true;
  const others = drives.filter(({ path }) => path !== drive.path);
  return elements.some((element) => !others.some((other) => isOf(element, other)));
}
