import { asTarget } from '../agent/index.ts';
import { formatBytes } from '../bytes/index.ts';
import { listDisks } from '../disk/index.ts';
import type { Context, Verb } from './context.ts';
import { shown, table } from './table.ts';

export const disksVerb: Verb = (program, act) => {
  program
    .command('disks')
    .description("list this machine's disks: what identifies them and what they hold")
    .action(act(disks));
};

async function disks(context: Context): Promise<void> {
  const found = [];
  for (const disk of await listDisks()) {
    const { holds } = await asTarget(disk, { bootDisk: null, setDisks: new Set() });
    found.push({ ...disk.identity, paths: disk.paths, use: disk.use, holds });
  }
  const rows = found.map((disk) => [
    disk.path,
    formatBytes(disk.size),
    disk.transport ?? '-',
    shown(disk.model ?? '-'),
    shown(disk.serial ?? '-'),
    disk.wwn ?? '-',
    shown(disk.holds.join(', ') || 'blank') + (disk.use.length > 0 ? ` (in use: ${disk.use[0]})` : ''),
  ]);
  context.output.result(
    { verb: 'disks', disks: found },
    table(['disk', 'size', 'by', 'model', 'serial', 'WWN', 'holds'], rows),
  );
}
