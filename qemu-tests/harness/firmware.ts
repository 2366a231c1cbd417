import { copyFileSync, existsSync } from 'node:fs';

export type Firmware = 'bios' | 'uefi' | 'secure-boot';

const ovmf = '/usr/share/OVMF';

/**
 * QEMU's arguments for a firmware. Under UEFI `variables` is the file that holds the machine's boot
 * entries; it is made where it is missing, from Debian's template, for Secure Boot with Microsoft's
 * keys enrolled (OVMF_VARS_4M.ms.fd; SMM keeps the guest from writing them past the firmware).
 */
export function firmwareArguments(firmware: Firmware, variables: string): string[] {
  if (firmware === 'bios') return ['-machine', 'q35'];
  const secure = firmware === 'secure-boot';
  if (!existsSync(variables)) {
    copyFileSync(`${ovmf}/OVMF_VARS_4M${secure ? '.ms' : ''}.fd`, variables);
  }
  return [
    '-machine',
    secure ? 'q35,smm=on' : 'q35',
    ...(secure ? ['-global', 'driver=cfi.pflash01,property=secure,value=on'] : []),
    '-drive',
    `if=pflash,unit=0,format=raw,readonly=on,file=${ovmf}/OVMF_CODE_4M${secure ? '.secboot' : ''}.fd`,
    '-drive',
    `if=pflash,unit=1,format=raw,file=${variables}`,
  ];
}
