/** The beginning of an ISO image with the descriptors that matter, and filling that tells its place. */
export function image({
  name,
  bootable = true,
  length = 300 * 1024,
}: {
  readonly name: string;
  readonly bootable?: boolean;
  readonly length?: number;
}): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE(at, at);
  const primary = 16 * 2048;
  bytes.write('\x01CD001\x01\0', primary, 'latin1');
  bytes.write(name.padEnd(32), primary + 40, 'latin1');
  const next = primary + 2048;
  bytes.write(bootable ? '\0CD001\x01EL TORITO SPECIFICATION' : '\xffCD001\x01', next, 'latin1');
  return bytes;
}
