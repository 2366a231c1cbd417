import { decodePaxMember } from '../bytes/index.ts';
import { closingRecordSuffix, type RecordSource } from './medium.ts';

/** True for the record that closes a whole set, or its beginning. */
export function closesSet(record: Buffer): boolean {
  return decodePaxMember(record)?.name.endsWith(closingRecordSuffix) === true;
}

/** True when the last part of a set ends with the record that closes a whole set. */
export async function isClosed(source: RecordSource): Promise<boolean> {
  const last = await source.last();
  return last !== null && closesSet(last);
}
