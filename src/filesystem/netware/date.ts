/**
 * NetWare's date and time: bits 31-25 year less 1980, 24-21 month, 20-16 day, 15-11 hour, 10-5 minute,
 * 4-0 seconds by two (jeffmerkey/netware-file-system date.c; zhmu/nwfs). It is the server's local time
 * and names no zone.
 */

const two = (value: number): string => String(value).padStart(2, '0');

/** `1996-06-01T09:00:00`, without a zone; null for 0 and for what is no date. */
export function timeText(raw: number): string | null {
  const date = dateText(raw >>> 16);
  const [hour, minute, second] = [(raw >>> 11) & 31, (raw >>> 5) & 63, (raw & 31) * 2];
  if (date === null || hour > 23 || minute > 59 || second > 59) return null;
  return `${date}T${two(hour)}:${two(minute)}:${two(second)}`;
}

/** `1996-06-01` from the upper half of a time; null for 0 and for what is no date. */
export function dateText(raw: number): string | null {
  const [year, month, day] = [1980 + (raw >>> 9), (raw >>> 5) & 15, raw & 31];
  const date = new Date(Date.UTC(year, month - 1, day));
  if (month < 1 || day < 1 || date.getUTCMonth() !== month - 1) return null;
  return `${year}-${two(month)}-${two(day)}`;
}
