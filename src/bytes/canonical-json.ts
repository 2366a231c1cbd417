import { RemetalError } from '../errors/index.ts';

/**
 * JSON with the keys of every object sorted by code unit and no white space, so that equal values
 * have equal text and can be hashed. Members that are `undefined` are left out, as JSON.stringify
 * does. Throws `field-range` on numbers that JSON cannot hold.
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(sorted(value));
}

function sorted(value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new RemetalError('field-range', 'Number cannot be written as JSON.', {
      facts: { value: String(value) },
    });
  }
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(sorted);
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, member]) => [key, sorted(member)]));
}
