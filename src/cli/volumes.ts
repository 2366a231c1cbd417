import { formatBytes } from '../bytes/index.ts';
import { formatLinearTable, linearTable, type Netware, type NetwareVolume } from '../layout/netware/index.ts';
import type { Context, Verb } from './context.ts';
import { refuseNone, withNetware } from './netware-source.ts';
import { table } from './table.ts';

export const volumesVerb: Verb = (program, act) => {
  program
    .command('volumes')
    .description('list the NetWare volumes on disks, or give them to Linux as block devices')
    .argument('<disk...>', 'disks or image files; all those a volume lies on')
    .option('--dm', 'print device-mapper tables, as dmsetup create takes them')
    .addHelpText(
      'after',
      `
With --dm each volume is one line of dmsetup --concise: name, uuid, minor, flags, then the table, whose extents
follow the hotfix area. The devices are read-only. Disks have to be block devices; image files go behind losetup.

Examples:
  remetal volumes disk0.raw disk1.raw
  dmsetup create --concise "$(remetal volumes --dm /dev/sdb /dev/sdc)"`,
    )
    .action(act(volumes));
};

async function volumes(
  context: Context,
  disks: readonly string[],
  { dm }: { readonly dm?: boolean },
): Promise<void> {
  await withNetware(disks, (netware) => {
    if (netware.refused.length === 0) refuseNone(netware, disks);
    const tables = netware.volumes.map((volume) => ({ volume, table: tableOf(netware, volume) }));
    context.output.result(
      {
        verb: 'volumes',
        volumes: tables.map(({ volume: { definition, segments }, table: extents }) => ({
          ...definition,
          segments: segments.map(({ partition, start, sectors, firstBlock, blocks }) => {
            const { disk, number } = netware.partitions[partition]!;
            return { disk, partition: number, start, sectors, firstBlock, blocks };
          }),
          dm: extents,
        })),
        broken: netware.broken,
        notices: netware.notices,
      },
      dm === true ? concise(tables) : listing(netware),
    );
    for (const { message } of netware.notices) context.output.remark(`note: ${message}`);
    for (const { name, reasons } of netware.broken) {
      context.output.remark(`warning: ${name} cannot be put together: ${reasons.join('; ')}`);
    }
    return Promise.resolve();
  });
}

type Table = ReturnType<typeof linearTable>;

function tableOf(netware: Netware, volume: NetwareVolume): Table {
  return linearTable(
    volume,
    netware.partitions.map(({ disk, start, partition }) => ({ partition, node: { device: disk, start } })),
  );
}

/** One line as `dmsetup create --concise` reads it: devices apart by semicolons, lines of a table by commas. */
function concise(tables: readonly { readonly volume: NetwareVolume; readonly table: Table }[]): string {
  const seen = new Map<string, number>();
  const devices = tables.map(({ volume: { definition }, table: extents }) => {
    const count = (seen.get(definition.name) ?? 0) + 1;
    seen.set(definition.name, count);
    // What else a volume may be called means something to dmsetup, or is no file name.
    const plain = definition.name.replaceAll(/[^A-Za-z0-9_.+-]/g, '_');
    const lines = formatLinearTable(extents).trimEnd().split('\n').join(',');
    return `netware-${plain}${count === 1 ? '' : `-${count}`},,,ro,${lines}`;
  });
  return devices.length === 0 ? '' : `${devices.join(';')}\n`;
}

function listing(netware: Netware): string {
  const rows = netware.volumes.flatMap(({ definition, segments }) =>
    segments.map(({ partition, start, blocks }, index) => {
      const { disk, number } = netware.partitions[partition]!;
      const blockSize = 2 ** definition.blockShift * 512;
      return [
        index === 0 ? definition.name : '',
        index === 0 ? formatBytes(definition.blocks * blockSize) : '',
        index === 0 ? formatBytes(blockSize) : '',
        `${index + 1} of ${segments.length}`,
        `${disk} partition ${number}`,
        String(start),
        formatBytes(blocks * blockSize),
      ];
    }),
  );
  return table(['volume', 'size', 'block', 'segment', 'on', 'logical sector', 'size'], rows);
}
