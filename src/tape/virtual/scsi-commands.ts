/** SSC-4 and SPC-4 command codes. */
export const op = {
  testUnitReady: 0x00,
  rewind: 0x01,
  requestSense: 0x03,
  readBlockLimits: 0x05,
  read: 0x08,
  write: 0x0a,
  writeFilemarks: 0x10,
  space: 0x11,
  inquiry: 0x12,
  modeSelect: 0x15,
  reserve: 0x16,
  release: 0x17,
  erase: 0x19,
  modeSense: 0x1a,
  loadUnload: 0x1b,
  prevent: 0x1e,
  locate: 0x2b,
  readPosition: 0x34,
  reportDensity: 0x44,
  logSense: 0x4d,
  modeSelect10: 0x55,
  modeSense10: 0x5a,
  writeFilemarks16: 0x80,
  readAttribute: 0x8c,
  writeAttribute: 0x8d,
  space16: 0x91,
  locate16: 0x92,
} as const;

/** Commands a unit attention does not hold up (SAM-5). */
export const attentionFree = new Set<number>([op.inquiry, op.requestSense, 0xa0]);
/** Commands that need no cartridge. */
export const cartridgeFree = new Set<number>([
  op.requestSense,
  op.inquiry,
  op.readBlockLimits,
  op.modeSelect,
  op.modeSelect10,
  op.modeSense,
  op.modeSense10,
  op.reserve,
  op.release,
  op.loadUnload,
  op.prevent,
  op.logSense,
  op.reportDensity,
  0xa0,
]);
/** Commands that a write protection forbids. */
export const changing = new Set<number>([op.write, op.writeFilemarks, op.writeFilemarks16, op.erase]);
