import { isCoded } from '../../src/errors/index.ts';
import type { Changer, ChangerSlot } from '../../src/tape/index.ts';
import {
  check,
  driveIdentifier,
  good,
  inquiry,
  modeHeader,
  senseCode,
  senseData,
  senseKey,
  type Answer,
} from '../../src/tape/virtual/index.ts';
import type { LogicalUnit } from './iscsi-session.ts';

/** Addresses of the first element of each kind, as many libraries have them. */
const firstElement = { robot: 0x0001, drive: 0x0100, storage: 0x03e8, importExport: 0x1000 } as const;
/** Element type codes (SMC-3, table 2). */
const elementType = { robot: 1, storage: 2, importExport: 3, drive: 4 } as const;
type Kind = keyof typeof elementType;

const volumeTagLength = 36;

interface Element {
  readonly kind: Kind;
  readonly address: number;
  readonly full: boolean;
  readonly barcode: string | null;
  /** The address it was taken from. */
  readonly from: number | null;
  /** The serial number of a drive. */
  readonly serial: string | null;
}

/** What an element descriptor shows beyond the least. */
interface Shown {
  readonly tags: boolean;
  readonly identifiers: boolean;
}

/** The robot of a library as the bus sees it (SMC-3): moves cartridges with a `Changer`. */
export class SmcChanger implements LogicalUnit {
  readonly #changer: Changer;
  readonly #serial: string;
  /** Serial numbers of the drives, by their number. */
  readonly #driveSerials: readonly string[];
  #attentions = [senseCode.reset as number];

  constructor(changer: Changer, serial: string, driveSerials: readonly string[]) {
    this.#changer = changer;
    this.#serial = serial;
    this.#driveSerials = driveSerials;
  }

  async execute(command: Buffer): Promise<Answer> {
    const attentionFree = command[0] === 0x12 || command[0] === 0x03;
    const attention = attentionFree ? undefined : this.#attentions.shift();
    if (attention !== undefined) return check(senseKey.unitAttention, attention);
    switch (command[0]) {
      // TEST UNIT READY, INITIALIZE ELEMENT STATUS (with and without range), RESERVE, RELEASE, PREVENT.
      case 0x00:
      case 0x07:
      case 0x37:
      case 0x16:
      case 0x17:
      case 0x1e:
        return good();
      case 0x03:
        return good(senseData(senseKey.none, senseCode.none));
      case 0x12: {
        const data = inquiry(command, 0x08, 'VIRTUAL-LIBRARY', this.#serial);
        return data === null ? invalidField() : good(data);
      }
      case 0x1a:
      case 0x5a:
        return this.#modeSense(command);
      case 0xa5:
        return this.#move(command.readUInt16BE(4), command.readUInt16BE(6));
      case 0xb8:
        return this.#elementStatus(command);
      default:
        return check(senseKey.illegalRequest, senseCode.invalidCommand);
    }
  }

  async #elements(): Promise<Element[]> {
    const { drives, slots } = await this.#changer.status();
    const storage = slots.filter(({ importExport }) => !importExport);
    const element = (kind: Kind, index: number, slot: ChangerSlot, from: number | null): Element => ({
      kind,
      address: firstElement[kind] + index,
      full: slot.full,
      barcode: slot.barcode,
      from,
      serial: kind === 'drive' ? (this.#driveSerials[index] ?? null) : null,
    });
    const addressOf = (slot: number): number =>
      slot <= storage.length
        ? firstElement.storage + slot - 1
        : firstElement.importExport + slot - storage.length - 1;
    return [
      { kind: 'robot', address: firstElement.robot, full: false, barcode: null, from: null, serial: null },
      ...storage.map((slot, i) => element('storage', i, slot, null)),
      ...slots
        .filter(({ importExport }) => importExport)
        .map((slot, i) => element('importExport', i, slot, null)),
      ...drives.map((drive, i) =>
        element('drive', i, drive, drive.from === null ? null : addressOf(drive.from)),
      ),
    ];
  }

  /** The element address assignment page (SMC-3, 7.3.4); without it mtx knows no address. */
  async #modeSense(command: Buffer): Promise<Answer> {
    const wanted = command[2]! & 0x3f;
    if (wanted !== 0x1d && wanted !== 0x3f) return invalidField();
    const elements = await this.#elements();
    const page = Buffer.alloc(20);
    page[0] = 0x1d;
    page[1] = 18;
    for (const [i, kind] of (['robot', 'storage', 'importExport', 'drive'] as const).entries()) {
      page.writeUInt16BE(firstElement[kind], 2 + i * 4);
      page.writeUInt16BE(elements.filter((element) => element.kind === kind).length, 4 + i * 4);
    }
    return good(modeHeader(command, page, 0, 0));
  }

  async #move(from: number, to: number): Promise<Answer> {
    const elements = await this.#elements();
    const source = elements.find(({ address }) => address === from);
    const target = elements.find(({ address }) => address === to);
    if (source === undefined || target === undefined || source.kind === 'robot' || target.kind === 'robot')
      return check(senseKey.illegalRequest, senseCode.invalidElement);
    if (!source.full) return check(senseKey.illegalRequest, senseCode.sourceEmpty);
    if (target.full && target !== source) return check(senseKey.illegalRequest, senseCode.destinationFull);
    const number = ({ kind, address }: Element): number => {
      const index = address - firstElement[kind];
      if (kind === 'drive') return index;
      return (
        index + 1 + (kind === 'importExport' ? elements.filter((one) => one.kind === 'storage').length : 0)
      );
    };
    try {
      if (source.kind === 'drive' && target.kind === 'drive') return invalidField();
      if (target.kind === 'drive') await this.#changer.load(number(source), number(target));
      else if (source.kind === 'drive') await this.#changer.unload(number(target), number(source));
      else await this.#changer.transfer(number(source), number(target));
      return good();
    } catch (error) {
      if (!isCoded(error, 'changer-failed')) throw error;
      // What is left: a drive that has not let go of its cartridge.
      return check(senseKey.illegalRequest, senseCode.removalPrevented);
    }
  }

  /** READ ELEMENT STATUS (SMC-3, 6.11): a page for each kind of element that is asked for. */
  async #elementStatus(command: Buffer): Promise<Answer> {
    const type = command[1]! & 0x0f;
    const shown = { tags: (command[1]! & 0x10) !== 0, identifiers: (command[6]! & 0x01) !== 0 };
    const first = command.readUInt16BE(2);
    const most = command.readUInt16BE(4);
    const room = command.readUIntBE(7, 3);
    const chosen = (await this.#elements())
      .filter(({ kind, address }) => (type === 0 || elementType[kind] === type) && address >= first)
      .toSorted((a, b) => elementType[a.kind] - elementType[b.kind] || a.address - b.address)
      .slice(0, most);
    const pages = (['robot', 'storage', 'importExport', 'drive'] as const).flatMap((kind) => {
      const own = chosen.filter((element) => element.kind === kind);
      return own.length === 0 ? [] : [statusPage(kind, own, shown)];
    });
    const body = Buffer.concat(pages);
    const header = Buffer.alloc(8);
    header.writeUInt16BE(Math.min(...chosen.map(({ address }) => address), 0xffff), 0);
    header.writeUInt16BE(chosen.length, 2);
    header.writeUIntBE(body.length, 5, 3);
    return good(Buffer.concat([header, body]).subarray(0, room));
  }
}

function statusPage(kind: Kind, elements: readonly Element[], shown: Shown): Buffer {
  const descriptors = Buffer.concat(elements.map((element) => descriptor(element, shown)));
  const header = Buffer.alloc(8);
  header[0] = elementType[kind];
  header[1] = shown.tags ? 0x80 : 0;
  header.writeUInt16BE(descriptors.length / elements.length, 2);
  header.writeUIntBE(descriptors.length, 5, 3);
  return Buffer.concat([header, descriptors]);
}

/** An element descriptor (SMC-3, 6.11.4 and following): 12 bytes, the volume tag, and what names the drive. */
function descriptor(
  { kind, address, full, barcode, from, serial }: Element,
  { tags, identifiers }: Shown,
): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt16BE(address, 0);
  const access = kind === 'robot' ? 0 : 0x08;
  // Import and export elements may be filled and emptied by a person.
  head[2] = (full ? 0x01 : 0) | access | (kind === 'importExport' ? 0x30 : 0);
  if (from !== null) {
    head[9] = 0x80;
    head.writeUInt16BE(from, 10);
  }
  const tag = Buffer.alloc(tags ? volumeTagLength : 0);
  if (tags && barcode !== null) tag.write(barcode.padEnd(32), 'latin1');
  // As in the drive's own device identification page: text, of the kind T10 vendor identification.
  const identifier = Buffer.from(serial !== null && identifiers ? driveIdentifier(serial) : '', 'latin1');
  const identification = Buffer.from(
    identifier.length === 0 ? [0, 0, 0, 0] : [0x02, 0x01, 0, identifier.length],
  );
  return Buffer.concat([head, tag, identification, identifier]);
}

function invalidField(): Answer {
  return check(senseKey.illegalRequest, senseCode.invalidField);
}
