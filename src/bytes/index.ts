/**
 * bytes/: fixed-width fields, varints, tar headers, sizes in words, extent arithmetic. Pure; imports
 * errors only.
 */
export {
  alignOutward,
  appendExtent,
  intersect,
  invert,
  normalize,
  subtract,
  total,
  type Extent,
  type GrowingExtents,
} from './extents.ts';
export { checkedInteger, readUint, writeUint, type Width } from './fields.ts';
export { pageAligned } from './page-aligned.ts';
export { decodePaxMember, type PaxMember } from './pax-member.ts';
export { maxVarintLength, VarintReader, VarintWriter } from './varint.ts';
export { formatBytes, formatDuration, formatRate, parseSize } from './sizes.ts';
export { canonicalJson } from './canonical-json.ts';
export { decodeUstar, encodeUstar, padded, tarBlock, tarEndLength, type UstarHeader } from './ustar.ts';
