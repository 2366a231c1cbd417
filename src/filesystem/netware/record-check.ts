import type { FindingCode } from './findings.ts';
import { mostRecords, type NetwareGeometry } from './geometry.ts';
import { dosNameFault, mostExtents, storedName } from './names.ts';
import { ownTrustees } from './objects.ts';
import {
  allRights,
  mostNameSpace,
  mostRestrictions,
  mostTrustees,
  nameSpaces,
  parseNamed,
  parseRestriction,
  parseSuballocation,
  parseTrustees,
  recordTypes,
  type NamedRecord,
  type Trustee,
} from './records.ts';

/** What is wrong with a record by itself; the words continue `Record 12 …`. */
export interface RecordFault {
  readonly code: FindingCode;
  readonly words: string;
}

/** What a record is measured by. */
export interface Measure {
  readonly geometry: NetwareGeometry;
  /** Records of the directory. */
  readonly records: number;
  readonly version: 3 | 4;
}

const mostSequence = 4;
const largestName = [12, 31, 40, 0, 80, 80];

/** What is wrong with one record of the directory, or null; after validation rules of nwdir.c and nwfix.c. */
export function recordFault(record: Buffer, measure: Measure): RecordFault | null {
  switch (record.readUInt32LE(0)) {
    case recordTypes.free:
      return record.subarray(4).every((byte) => byte === 0)
        ? null
        : { code: 'record-free', words: 'is free and not empty' };
    case recordTypes.trustees:
      return trusteesFault(record, measure);
    case recordTypes.root:
      return null;
    case recordTypes.restriction:
      return restrictionFault(record, measure);
    case recordTypes.suballocation:
      return suballocationFault(record, measure);
    default:
      return namedFault(record, measure);
  }
}

function trusteesFault(record: Buffer, { records }: Measure): RecordFault | null {
  const code = 'record-trustees';
  const { count, directory, of, trustees } = parseTrustees(record);
  if (count > mostTrustees) return { code, words: `claims ${count} trustees of at most ${mostTrustees}` };
  if (record.readUInt8(11) !== 0) return { code, words: 'has a value where trustees have none' };
  if (directory >= records || of >= records) {
    return { code, words: `holds trustees of record ${of} in directory ${directory}, beyond the directory` };
  }
  return rightsFault(trustees);
}

function rightsFault(trustees: readonly Trustee[]): RecordFault | null {
  const odd = trustees.find(({ rights }) => rights > allRights);
  if (odd === undefined) return null;
  const words = `gives trustee ${odd.id} rights that do not exist, ${odd.rights.toString(16)} hex`;
  return { code: 'record-trustees', words };
}

function restrictionFault(record: Buffer, { records }: Measure): RecordFault | null {
  const code = 'record-restriction';
  const { count, directory } = parseRestriction(record);
  if (count > mostRestrictions)
    return { code, words: `claims ${count} limits of at most ${mostRestrictions}` };
  if (record.readUInt32LE(4) !== 0) return { code, words: 'has a value where limits of space have none' };
  if (directory >= records) return { code, words: `limits directory ${directory}, beyond the directory` };
  return null;
}

function suballocationFault(record: Buffer, { geometry }: Measure): RecordFault | null {
  const code = 'suballocation-records';
  const { sequence, heads } = parseSuballocation(record);
  if (sequence > mostSequence) return { code, words: `is suballocation record ${sequence} of at most 5` };
  const astray = heads.find((head) => head >= geometry.blocks);
  return astray === undefined ? null : { code, words: `begins a chain of tails at block ${astray}` };
}

function namedFault(record: Buffer, measure: Measure): RecordFault | null {
  const named = parseNamed(record);
  const { parent, nameSpace } = named;
  if (parent >= mostRecords)
    return { code: 'record-type', words: `is of type ${hex(parent)}, which is not known` };
  if (parent >= measure.records) {
    return { code: 'record-parent', words: `lies in directory ${parent}, beyond the directory` };
  }
  if (nameSpace > mostNameSpace) {
    return { code: 'record-name-space', words: `is of name space ${nameSpace} of at most ${mostNameSpace}` };
  }
  return nameFault(record, named) ?? (nameSpace === 0 ? dosFault(record, named, measure) : null);
}

function nameFault(record: Buffer, { nameSpace }: NamedRecord): RecordFault | null {
  const code = 'record-name';
  if (nameSpace === 0) {
    const fault = dosNameFault(record);
    return fault === null ? null : { code, words: `has a DOS name that ${fault}` };
  }
  const length = record.readUInt8(11);
  const most = largestName[nameSpace] ?? 0;
  const { extents } = storedName(record, nameSpace);
  // With a rest in the extended directory the length may be that of the whole name.
  if (most > 0 && (length < 1 || (length > most && extents === 0))) {
    return { code, words: `has a ${nameSpaces[nameSpace]} name of ${length} characters` };
  }
  if (extents > mostExtents) return { code, words: `has a name continued in ${extents} records` };
  return null;
}

function dosFault(record: Buffer, { subdirectory }: NamedRecord, { version }: Measure): RecordFault | null {
  return rightsFault(ownTrustees(record, subdirectory, version));
}

const hex = (value: number): string => `${value.toString(16).padStart(8, '0')} hex`;
