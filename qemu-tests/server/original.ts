import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached, keyOf, withMachine, type Drive } from '../harness/index.ts';
import { makeServerDisk } from './disk.ts';
import { readToken, readUp, type TokenReport, tokenReportSchema } from './report.ts';
import { serverTree, treeKey } from './tree.ts';

/** The server every scenario brings back. */
export interface Original {
  /** Its disk, raw and sparse. Never written to; take an overlay. */
  readonly disk: string;
  /** What it said of its files after it had run and was shut down. */
  readonly token: TokenReport;
  /** Changes whenever the server does. */
  readonly key: string;
}

/* Only what shapes the disk; how its words are read changes nothing about it. */
function makers(): Buffer[] {
  const files = readdirSync(join(import.meta.dirname, 'files')).toSorted();
  return [
    'disk.ts',
    'boot-loader.ts',
    'incompressible.ts',
    'shape.ts',
    ...files.map((name) => `files/${name}`),
  ].map((name) => readFileSync(join(import.meta.dirname, name)));
}

/** How the original is attached: as the disk of a machine with a SATA controller. */
export function originalDrive(file: string, format: 'raw' | 'qcow2'): Drive {
  return { file, format, controller: 'ahci', serial: 'WEB1-OLD-DISK', wwn: '5000c500a1b2c3d4', boot: 0 };
}

/**
 * The original server: built from packages, booted once for real and shut down, then asked for its
 * token. All of that is done once and kept in the cache.
 */
export async function originalServer(logs: string, tell: (line: string) => void): Promise<Original> {
  const key = keyOf(treeKey, ...makers());
  const folder = await cached('server', key, async (growing) => {
    tell('making the server tree from packages');
    const tree = await serverTree();
    const disk = join(growing, 'disk.raw');
    tell('making the server disk');
    await makeServerDisk(disk, tree);
    const common = { logs, scratch: growing, firmware: 'bios', seconds: 600 } as const;
    const drives = [originalDrive(disk, 'raw')];
    tell('booting the server for the first time');
    await withMachine(
      { ...common, name: 'original-first-boot', drives, assetTag: 'boot+off' },
      async (machine) => {
        const up = await readUp(machine, 400);
        if (up['failed'] !== '-')
          throw new Error(`The original server started with failed units: ${up['failed']}`);
        await machine.stopped(120);
      },
    );
    tell('asking the server for its token');
    await withMachine(
      { ...common, name: 'original-token', drives, assetTag: 'token+listing' },
      async (machine) => {
        const token = await readToken(machine, 400);
        await machine.stopped(60);
        writeFileSync(join(growing, 'token.json'), JSON.stringify(token));
      },
    );
  });
  const token = tokenReportSchema.parse(JSON.parse(readFileSync(join(folder, 'token.json'), 'utf8')));
  return { disk: join(folder, 'disk.raw'), token, key };
}
