/*
 * The two checksums of ext and XFS metadata. CRC-32C: polynomial 0x1EDC6F41 (RFC 3720, appendix
 * B.4), reflected. CRC-16: polynomial 0x8005, reflected (the "ARC" variant).
 */

const words = new Uint16Array(256);
const s0 = new Uint32Array(256);
for (let byte = 0; byte < 256; byte++) {
  let long = byte;
  let short = byte;
  for (let bit = 0; bit < 8; bit++) {
    long = long & 1 ? (long >>> 1) ^ 0x82_f6_3b_78 : long >>> 1;
    short = short & 1 ? (short >>> 1) ^ 0xa0_01 : short >>> 1;
  }
  s0[byte] = long;
  words[byte] = short;
}

/* Eight tables for eight bytes a step: the bitmaps of a 2 TiB volume are 64 MiB. */
const shifted = (before: Uint32Array): Uint32Array => before.map((value) => (value >>> 8) ^ s0[value & 255]!);
const s1 = shifted(s0);
const s2 = shifted(s1);
const s3 = shifted(s2);
const s4 = shifted(s3);
const s5 = shifted(s4);
const s6 = shifted(s5);
const s7 = shifted(s6);

/**
 * CRC-32C going on from `seed`, without the final inversion: ext chains and stores it so; XFS
 * stores the inverted result.
 */
export function crc32c(seed: number, bytes: Uint8Array): number {
  let crc = seed >>> 0;
  let at = 0;
  for (const end = bytes.length - 7; at < end; at += 8) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    crc =
      s7[crc & 255]! ^
      s6[(crc >>> 8) & 255]! ^
      s5[(crc >>> 16) & 255]! ^
      s4[crc >>> 24]! ^
      s3[bytes[at + 4]!]! ^
      s2[bytes[at + 5]!]! ^
      s1[bytes[at + 6]!]! ^
      s0[bytes[at + 7]!]!;
  }
  for (; at < bytes.length; at++) crc = (crc >>> 8) ^ s0[(crc ^ bytes[at]!) & 255]!;
  return crc >>> 0;
}

/** CRC-16 going on from `seed`. */
export function crc16(seed: number, bytes: Uint8Array): number {
  let crc = seed & 0xff_ff;
  for (const byte of bytes) crc = (crc >>> 8) ^ words[(crc ^ byte) & 255]!;
  return crc;
}
