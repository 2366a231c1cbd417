import { access, readFile } from 'node:fs/promises';
import { hostname } from 'node:os';

export interface MachineFacts {
  readonly hostname: string;
  /** How the running system was started; null where that cannot be told. */
  readonly firmware: 'bios' | 'uefi' | null;
  readonly vendor: string | null;
  readonly product: string | null;
  readonly serial: string | null;
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

/** What firmware makers write where they had nothing to write. */
const fillers = /^(to be filled by o\.?e\.?m\.?|default string|not specified|none|0+|system serial number)$/i;

async function dmi(name: string): Promise<string | null> {
  try {
    const text = (await readFile(`/sys/class/dmi/id/${name}`, 'utf8')).trim();
    return text === '' || fillers.test(text) ? null : text;
  } catch {
    return null;
  }
}

/** The firmware the kernel was started by; null without DMI or EFI in sight (a container, another architecture). */
export async function firmware(): Promise<'bios' | 'uefi' | null> {
  if (await exists('/sys/firmware/efi')) return 'uefi';
  return (await exists('/sys/firmware/dmi')) || (await exists('/sys/class/dmi/id')) ? 'bios' : null;
}

/** Facts about the machine this runs on. The serial number is null unless root asks. */
export async function machineFacts(): Promise<MachineFacts> {
  const [kind, vendor, product, serial] = await Promise.all([
    firmware(),
    dmi('sys_vendor'),
    dmi('product_name'),
    dmi('product_serial'),
  ]);
  return { hostname: hostname(), firmware: kind, vendor, product, serial };
}

/**
 * Whether Secure Boot is on; null where the firmware has no such thing. An EFI variable file holds
 * four bytes of attributes and then the value (kernel: Documentation/filesystems/efivarfs.rst).
 */
export async function secureBoot(): Promise<boolean | null> {
  try {
    const bytes = await readFile('/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c');
    return bytes[4] === 1;
  } catch {
    return null;
  }
}
