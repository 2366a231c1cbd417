/* CSI sequences, the two-character escapes boot loaders and systemd use, and stray control characters. */
// oxlint-disable-next-line no-control-regex -- terminal escapes are control characters
const escapes = /\u001b\[[0-9;?=]*[ -/]*[@-~]|\u001b[()][0-9A-B]|\u001b[=>78cM]|[\u0000\u0007]/g;

/** Text of a serial line without what moves a terminal's cursor. */
export function withoutEscapes(text: string): string {
  return text.replaceAll(escapes, '');
}

/** The last lines of a text that are not empty. */
export function lastLines(text: string, count: number): string[] {
  return text
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .slice(-count);
}

/** Characters of a screen in text mode 3 (VGA): 25 rows of 80, each a character of code page 437 and an attribute. */
export const screenBytes = 25 * 80 * 2;
/** Physical address of them. */
export const screenAddress = 0xb8000;

/**
 * The words on a screen in text mode; null where the memory holds no such screen, as when the guest has
 * switched to graphics. Characters beyond ASCII, which draw boxes, become spaces.
 */
export function screenText(memory: Uint8Array): string | null {
  if (memory.length < screenBytes) return null;
  const rows: string[] = [];
  let foreign = 0;
  let shown = 0;
  for (let row = 0; row < 25; row++) {
    let text = '';
    for (let column = 0; column < 80; column++) {
      const byte = memory[(row * 80 + column) * 2]!;
      if (byte > 0x20) shown++;
      // Letters and frames are what boot loaders show; control codes are none of either.
      if ((byte > 0 && byte < 0x20) || byte === 0xff) foreign++;
      text += byte > 0x20 && byte < 0x7f ? String.fromCodePoint(byte) : ' ';
    }
    rows.push(text.trimEnd());
  }
  if (shown === 0 || foreign > 100) return null;
  return rows.join('\n').trimEnd();
}
