import { RemetalError } from '../errors/index.ts';
import { openNetwareVolume, type NameSpace } from '../filesystem/netware/index.ts';
import { controlOnly } from '../mount/control-only.ts';
import { setVolume } from '../mount/index.ts';
import { netwareVolumes } from '../restore/plan-netware.ts';
import { setAddressHelp, setAddressText, withAddressedVolume, type AddressedVolume } from './address.ts';
import type { Context, Verb } from './context.ts';
import { listNetware } from './files-netware.ts';
import { listTree } from './files-tree.ts';
import { namePatterns, type NamePattern } from './name-pattern.ts';
import { addNetwareOptions } from './netware-choice.ts';
import { addressHelp, isDiskAddress, isPlaceAlone, volumeAddress, withVolume } from './netware-source.ts';
import { addSetOptions, type SetOptions } from './place.ts';

export const filesVerb: Verb = (program, act) => {
  addSetOptions(
    addNetwareOptions(
      program
        .command('files')
        .description('list the files of a volume of a backup set, or of a NetWare volume, live or deleted')
        .argument('<address...>', `${setAddressText}, then files, and directories with all below them`)
        .option('-l, --long', 'permissions, owners, sizes and times as well; of NetWare all there is')
        .option(
          '--find <pattern>',
          "only names like this: '*.conf'; with a slash, paths: '/etc/**/*.conf'; may be given again",
          namePatterns,
        )
        .option(
          '--deleted',
          'the deleted files of a NetWare volume that can still be salvaged, in place of the live ones',
        ),
    ),
  )
    .addHelpText(
      'after',
      `${setAddressHelp}

The names come from the control set, which stands at the front of a volume in the set: no contents of files are read.
Files of ext2, ext3, ext4, FAT and NetWare are listed without root; those of xfs, btrfs, NTFS and others through a mount,
which takes root. Each directory comes before what is in it. With -l a line is what \`ls -ln\` shows, and times
are UTC; FAT and NetWare keep those of the machine's own clock, which name no zone. With --json every file is a line of its own,
type "file".

Patterns: * is any text, ? any character, [a-z] one of a range, [!a-z] none of it, ** any text with slashes in it.
Capitals do not matter on FAT, NTFS and NetWare.

A NetWare volume that is in no set is named with its disks.
${addressHelp}

Ends with 0, or with 3 when directories or files could not be read; they are told one by one.

Examples:
  remetal files web1/root
  remetal files web1/root /etc --find '*.conf'
  remetal files -l tape:/dev/nst0 web1/root /home
  remetal files /mnt/usbdisk/fs1 fs1/SYS PUBLIC
  remetal files --json web1-20261128T160000Z/root --find '/srv/**/*.php'
  remetal files -l server.raw:SYS PUBLIC SYSTEM/LOGIN
  remetal files --deleted disk0.raw,disk1.raw:VOL1
  remetal files --disk /dev/sdb --disk /dev/sdc VOL1`,
    )
    .action(act(listFiles));
};

interface FilesOptions extends SetOptions {
  readonly disk?: readonly string[];
  readonly long?: boolean;
  readonly find?: readonly NamePattern[];
  readonly set?: string;
  readonly deleted?: boolean;
  readonly names: NameSpace;
}

async function listFiles(
  context: Context,
  words: readonly string[],
  options: FilesOptions,
): Promise<number | void> {
  if (isDiskAddress(words, options)) {
    const [volume = '', ...paths] = words;
    const address = volumeAddress(volume, options.disk);
    return await withVolume(context, address, options.set, (filesystem, leavesOutDeleted) =>
      listNetware(context, filesystem, leavesOutDeleted, { ...options, paths }),
    );
  }
  // A place alone means the newest set in it.
  const address = isPlaceAlone(words) ? [...words, 'latest'] : words;
  return await withAddressedVolume(context, address, options, async (at) =>
    at.described.kind === 'netware'
      ? await listNetwareOfSet(context, at, options)
      : await listTree(context, at, options),
  );
}

async function listNetwareOfSet(context: Context, at: AddressedVolume, options: FilesOptions): Promise<void> {
  const { reader, volume, rest, medium } = at;
  const known = netwareVolumes(reader.layout).find((each) => each.volume.id === volume);
  if (known === undefined) {
    throw new RemetalError('volume-not-found', `The set ${reader.name} does not describe ${volume}.`);
  }
  const device = setVolume(reader, volume, { signal: context.signal });
  try {
    await device.loadControl();
    const filesystem = await openNetwareVolume(
      controlOnly(device, reader.index(volume)),
      known.found.definition,
    );
    await listNetware(context, filesystem, known.leavesOutDeleted, {
      ...options,
      paths: rest,
      unchecked: true,
      facts: () => {
        const { controlGroups, dataGroups } = device.statistics();
        return {
          set: reader.name,
          how: 'reader',
          groups: { control: controlGroups, data: dataGroups },
          movements: medium.movements?.() ?? null,
        };
      },
    });
  } finally {
    await device.close();
  }
}
