/**
 * Walks the runs of set bits among the first `bits` of a little-endian bitmap (bit 0 is the lowest bit
 * of byte 0) and returns how many are set.
 */
export function setRuns(bitmap: Buffer, bits: number, run: (from: number, to: number) => void): number {
  let ones = 0;
  let from = -1;
  const close = (at: number): void => {
    if (from < 0) return;
    run(from, at);
    ones += at - from;
    from = -1;
  };
  let at = 0;
  while (at < bits) {
    if ((at & 31) === 0 && at + 32 <= bits) {
      const word = bitmap.readUInt32LE(at >> 3);
      if (word === 0 || word === 0xff_ff_ff_ff) {
        if (word === 0) close(at);
        else if (from < 0) from = at;
        at += 32;
        continue;
      }
    }
    if (((bitmap[at >> 3]! >> (at & 7)) & 1) === 0) close(at);
    else if (from < 0) from = at;
    at++;
  }
  close(bits);
  return ones;
}
