const factor = Number(process.env['REMETAL_PATIENCE'] ?? '1');

/** A limit of time in milliseconds; REMETAL_PATIENCE=3 makes every one three times as long, for a busy machine. */
export function patient(seconds: number): number {
  return seconds * 1000 * (Number.isFinite(factor) && factor > 0 ? factor : 1);
}
