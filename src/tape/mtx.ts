import { RemetalError } from '../errors/index.ts';
import type { ChangerStatus } from './changer.ts';
import { senseCodeWords } from './scsi.ts';

/*
 * `Data Transfer Element 1:Full (Storage Element 2 Loaded):VolumeTag = A00001L8`, or `(Unknown Storage
 * Element Loaded)`. Old versions leave out the number of a single drive.
 */
const driveLine = /^\s*Data Transfer Element\s?(?<number>\d*):\s?(?<state>Full|Empty)(?<tags>.*)$/;
const originIn = /^ \(Storage Element (?<from>\d+) Loaded\)/;
/* `      Storage Element 6 IMPORT/EXPORT:Full :VolumeTag=A00001L8` */
const slotLine =
  /^\s*Storage Element (?<number>\d+)(?<importExport> IMPORT\/EXPORT)?:(?<state>Full|Empty)\s?(?<tags>.*)$/;
const headLine = /^\s*Storage Changer .*:(?<drives>\d+) Drives, (?<slots>\d+) Slots/m;

function barcodeIn(tags: string): string | null {
  const barcode = /:VolumeTag ?= ?(?<barcode>[^:]*)/.exec(tags)?.groups?.['barcode']?.trim();
  return barcode === undefined || barcode === '' ? null : barcode;
}

/**
 * What a changer holds, from what `mtx status` printed. Throws `changer-failed` for a text that is no such
 * thing or lacks some of the drives and slots it speaks of.
 */
export function parseMtxStatus(text: string): ChangerStatus {
  const head = headLine.exec(text)?.groups;
  const drives: ChangerStatus['drives'][number][] = [];
  const slots: ChangerStatus['slots'][number][] = [];
  for (const line of text.split('\n')) {
    const drive = driveLine.exec(line)?.groups;
    if (drive !== undefined) {
      const full = drive['state'] === 'Full';
      const from = originIn.exec(drive['tags'] ?? '')?.groups?.['from'];
      drives.push({
        number: Number(drive['number'] ?? 0),
        full,
        barcode: full ? barcodeIn(drive['tags'] ?? '') : null,
        from: full && from !== undefined ? Number(from) : null,
      });
    }
    const slot = slotLine.exec(line)?.groups;
    if (slot !== undefined) {
      const full = slot['state'] === 'Full';
      slots.push({
        number: Number(slot['number']),
        full,
        // Some changers remember the barcode of the cartridge that was there before.
        barcode: full ? barcodeIn(slot['tags'] ?? '') : null,
        importExport: slot['importExport'] !== undefined,
      });
    }
  }
  if (
    head === undefined ||
    drives.length !== Number(head['drives']) ||
    slots.length !== Number(head['slots'])
  ) {
    throw new RemetalError('changer-failed', 'mtx gave a status that is not understood', {
      hint: 'Look at what `mtx status` prints for this changer.',
      facts: { printed: text.slice(0, 2000) },
    });
  }
  return { drives, slots };
}

/** What was wrong when mtx ended with an error. */
export interface MtxFailure {
  /** In mtx's words and, where the changer gave a reason, in ours. */
  readonly said: string;
  /** Only news of a reset or an opened door: the command was not carried out and may be given again. */
  readonly news: boolean;
  /** The changer is still looking into its slots, or starting. */
  readonly becomingReady: boolean;
  /** There is no such device, or it is not one of the generic driver. */
  readonly missing: boolean;
}

/** Reads what mtx printed on its error output. */
export function parseMtxFailure(stderr: string): MtxFailure {
  const lines = stderr
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const own = lines.filter((line) => !line.startsWith('mtx: Request Sense:'));
  const field = (name: string): string | null => {
    const line = lines.findLast((candidate) => candidate.startsWith(`mtx: Request Sense: ${name}`));
    return line === undefined ? null : line.slice(line.indexOf('=') + 1).trim();
  };
  const key = field('Sense Key');
  const asc = Number.parseInt(field('Additional Sense Code') ?? '', 16);
  const ascq = Number.parseInt(field('Additional Sense Qualifier') ?? '', 16);
  const reason = Number.isNaN(asc) || Number.isNaN(ascq) ? null : senseCodeWords(asc, ascq);
  const said = own.at(-1) ?? 'nothing';
  return {
    said: reason === null ? said : `${said}: ${reason}`,
    news: key === 'Unit Attention',
    becomingReady: key === 'Not Ready' && asc === 0x04 && (ascq === 0x00 || ascq === 0x01),
    missing: own.some((line) => /^cannot open SCSI device|is not an sg device/.test(line)),
  };
}
