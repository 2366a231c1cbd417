/** 16 bytes as canonical UUID text, lower case; null when all are zero, which file systems use for "none". */
export function uuidText(bytes: Uint8Array): string | null {
  const hex = Buffer.from(bytes).toString('hex');
  if (hex.length !== 32 || /^0+$/.test(hex)) return null;
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** A fixed-width label: up to the first NUL, padding blanks dropped; null when nothing remains. */
export function labelText(bytes: Uint8Array, encoding: 'utf8' | 'latin1' = 'utf8'): string | null {
  const end = bytes.indexOf(0);
  const label = Buffer.from(end < 0 ? bytes : bytes.subarray(0, end))
    .toString(encoding)
    .trimEnd();
  return label === '' ? null : label;
}
