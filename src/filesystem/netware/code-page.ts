/**
 * Code page 437, in which a server without a country setting keeps names (IBM; the mapping of the
 * Unicode Consortium's CP437.TXT). One character a byte, so names come back to the same bytes.
 */
const high =
  'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00A0';

const macRoman = new TextDecoder('macintosh');

/** Bytes of a name as text. */
export function codePageText(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte < 128 ? String.fromCharCode(byte) : high.charAt(byte - 128);
  return text;
}

/** Bytes of a name in the Macintosh name space as text. */
export function macintoshText(bytes: Uint8Array): string {
  return macRoman.decode(bytes);
}
