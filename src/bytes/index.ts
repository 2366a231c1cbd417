/**
 * bytes/: fixed-width fields, sizes in words, extent arithmetic. Pure; imports errors only.
 */
export { alignOutward, intersect, invert, normalize, subtract, total, type Extent } from './extents.ts';
