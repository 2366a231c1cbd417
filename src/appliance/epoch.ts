/** Every time stamp in the appliance, seconds since 1970, so that two builds give the same bytes. */
export function buildEpoch(): number {
  const set = Number(process.env['SOURCE_DATE_EPOCH']);
  return Number.isSafeInteger(set) && set > 315_532_800 ? set : 1_700_000_000;
}
