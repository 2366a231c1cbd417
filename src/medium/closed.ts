import { decodeUstar, padded, tarBlock } from '../bytes/index.ts';
import { closingRecordSuffix, type RecordSource } from './medium.ts';

/** True when the last part of a set ends with the record that closes a whole set. */
export async function isClosed(source: RecordSource): Promise<boolean> {
  const last = await source.last();
  if (last === null) return false;
  const extended = decodeUstar(last, 0);
  const file = extended === null ? null : decodeUstar(last, tarBlock + padded(extended.size));
  return file !== null && file.name.endsWith(closingRecordSuffix);
}
