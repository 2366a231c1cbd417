/** A kernel that QEMU starts without any boot medium. */
export interface DirectBoot {
  readonly kernel: string;
  readonly initramfs: string;
  readonly commandLine: string;
  /** A folder of the host that the guest may read, by 9p under the tag `host`. */
  readonly share?: string;
}

/** QEMU's arguments for it. A comma in a path is doubled, as QEMU wants. */
export function directBootArguments(boot: DirectBoot | undefined): string[] {
  if (boot === undefined) return [];
  const { kernel, initramfs, commandLine, share } = boot;
  const started = ['-kernel', kernel, '-initrd', initramfs, '-append', commandLine];
  if (share === undefined) return started;
  const path = share.replaceAll(',', ',,');
  return [
    ...started,
    '-fsdev',
    `local,id=share,path=${path},security_model=none,readonly=on,multidevs=remap`,
    '-device',
    'virtio-9p-pci,fsdev=share,mount_tag=host',
  ];
}
