/**
 * What has to be done so that EFI firmware finds the boot loader of a restored disk. Pure.
 */

/** Loaders in the order in which they are preferred: the signed shim first, since it starts the others. */
const known = ['shimx64.efi', 'grubx64.efi', 'systemd-bootx64.efi', 'elilo.efi', 'refind_x64.efi'];

/** The path firmware starts when it has no boot entry (UEFI specification 2.10, section 3.5.1.1). */
const fallback = '/EFI/BOOT/BOOTX64.EFI';

/** What shim looks for in the folder it was started from. */
const companions = ['grubx64.efi', 'mmx64.efi'];

function split(path: string): { folder: string; name: string } {
  const slash = path.lastIndexOf('/');
  return { folder: path.slice(0, slash), name: path.slice(slash + 1).toLowerCase() };
}

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/** The preferred loader in a vendor's folder among the paths of a system partition, or null. */
function vendorLoader(files: readonly string[]): string | null {
  const inVendorFolder = files
    .filter((path) => /^\/efi\/[^/]+\/[^/]+$/i.test(path) && !same(split(path).folder, '/EFI/BOOT'))
    .toSorted();
  for (const name of known) {
    const found = inVendorFolder.find((path) => split(path).name === name);
    if (found !== undefined) return found;
  }
  return null;
}

/** One file to copy inside a system partition. */
export interface LoaderCopy {
  readonly from: string;
  readonly to: string;
}

/**
 * The copies that put a loader in the fallback path; none where one is there already or none is
 * known. `files` are paths from the root of the partition, in any case of letters.
 */
export function fallbackCopies(files: readonly string[]): LoaderCopy[] {
  if (files.some((path) => same(path, fallback))) return [];
  const loader = vendorLoader(files);
  if (loader === null) return [];
  const copies = [{ from: loader, to: fallback }];
  const { folder, name } = split(loader);
  if (name !== 'shimx64.efi') return copies;
  for (const companion of companions) {
    const from = files.find((path) => same(path, `${folder}/${companion}`));
    const to = `/EFI/BOOT/${companion}`;
    if (from !== undefined && !files.some((path) => same(path, to))) copies.push({ from, to });
  }
  return copies;
}

/** The loader a boot entry should name (with backslashes, as firmware writes it) and what to call the entry. */
export function loaderOf(files: readonly string[]): { loader: string; label: string } | null {
  const path = vendorLoader(files) ?? files.find((file) => same(file, fallback)) ?? null;
  if (path === null) return null;
  const vendor = path.split('/')[2]!;
  return { loader: path.replaceAll('/', '\\'), label: same(vendor, 'BOOT') ? 'Linux' : vendor };
}

/** One entry of the firmware's boot menu. */
export interface BootEntry {
  /** Four hex digits. */
  readonly number: string;
  readonly label: string;
  /** GUID of the partition it names, lower case; null for entries of other kinds. */
  readonly guid: string | null;
  /** With backslashes; null where it names no file. */
  readonly loader: string | null;
}

export interface BootMenu {
  readonly entries: readonly BootEntry[];
  /** Numbers, first to be tried first. */
  readonly order: readonly string[];
}

/**
 * Reads what `efibootmgr -v` prints: `Boot0001* debian<tab>HD(1,GPT,<guid>,0x800,0x100000)/File(\EFI\…)`;
 * from version 18 on the file stands bare after the slash.
 */
export function parseBootEntries(text: string): BootMenu {
  const entries: BootEntry[] = [];
  let order: string[] = [];
  for (const line of text.split('\n')) {
    const ordered = /^BootOrder: ([0-9A-Fa-f,]+)/.exec(line);
    if (ordered !== null) order = ordered[1]!.split(',');
    const entry = /^Boot([0-9A-Fa-f]{4})[* ] ([^\t]*)(?:\t(.*))?$/.exec(line);
    if (entry === null) continue;
    const path = entry[3] ?? '';
    const guid = /HD\(\d+,GPT,([0-9a-f-]{36})/i.exec(path)?.[1]?.toLowerCase() ?? null;
    const file = /\/(?:File\(([^)]*)\)|(\\[^\s/]*))/.exec(path);
    entries.push({
      number: entry[1]!,
      label: entry[2]!.trim(),
      guid,
      loader: file?.[1] ?? file?.[2] ?? null,
    });
  }
  return { entries, order };
}

export interface WantedEntry {
  readonly label: string;
  readonly loader: string;
  /** Of the restored partition. */
  readonly guid: string;
  /** GUIDs of every partition the machine has now. */
  readonly present: readonly string[];
}

export interface BootEntryChange {
  /** Numbers of entries to take away: same label and loader, on a partition that is no more. */
  readonly remove: readonly string[];
  /** True when an entry has to be made; it then stands first. */
  readonly create: boolean;
  /** The order to set so that the entry which is there stands first; null where nothing is to do. */
  readonly order: readonly string[] | null;
}

/** What to do so that the boot menu starts with the wanted entry. */
export function bootEntryChange(menu: BootMenu, wanted: WantedEntry): BootEntryChange {
  const present = new Set([...wanted.present, wanted.guid].map((guid) => guid.toLowerCase()));
  const alike = menu.entries.filter((entry) => entry.loader !== null && same(entry.loader, wanted.loader));
  const kept = alike.find((entry) => entry.guid !== null && same(entry.guid, wanted.guid));
  const remove = alike
    .filter((entry) => entry.label === wanted.label && entry.guid !== null && !present.has(entry.guid))
    .map((entry) => entry.number);
  if (kept === undefined) return { remove, create: true, order: null };
  const order = [
    kept.number,
    ...menu.order.filter((number) => number !== kept.number && !remove.includes(number)),
  ];
  const stands = menu.order.filter((number) => !remove.includes(number));
  return { remove, create: false, order: stands[0] === kept.number ? null : order };
}
