import { inflateSync } from 'node:zlib';
import { z } from 'zod';
import type { Machine } from '../harness/index.ts';

/** What a server said of its own files. */
export const tokenReportSchema = z.strictObject({
  token: z.string(),
  /** SHA-256 and number of files, by area: root, boot, esp. */
  areas: z.record(z.string(), z.strictObject({ hash: z.string(), files: z.number() })),
  /** Size of the root file system as the server sees it, bytes. */
  rootBytes: z.number(),
  /** One line a file, when the asset tag asked for it. */
  listing: z.string().nullable(),
});
export type TokenReport = z.infer<typeof tokenReportSchema>;

/** What a server said when it had started for real. */
export type UpReport = Readonly<Record<string, string>>;

/** Waits for the token of a server that was started with `token` in its asset tag. */
export async function readToken(machine: Machine, seconds: number): Promise<TokenReport> {
  const { console } = machine;
  await console.expect(/REMETAL-STAGE token/, seconds);
  const areas: Record<string, { hash: string; files: number }> = {};
  for (const area of ['root', 'boot', 'esp']) {
    const [, hash = '', files = ''] = await console.expect(
      new RegExp(`REMETAL-AREA ${area} ([0-9a-f]{64}) files=(\\d+)`),
      seconds,
    );
    areas[area] = { hash, files: Number(files) };
  }
  const [, rootBytes] = await console.expect(/REMETAL-DF root=(\d+)/, seconds);
  const first = console.lines.length;
  const [, token = ''] = await console.expect(/REMETAL-TOKEN ([0-9a-f]{64})/, seconds);
  const packed = console.lines.slice(first).map((line) => line.text);
  const begin = packed.indexOf('REMETAL-LISTING-BEGIN');
  const end = packed.indexOf('REMETAL-LISTING-END');
  const listing =
    begin < 0 ? null : inflateSync(Buffer.from(packed.slice(begin + 1, end).join(''), 'base64')).toString();
  return { token, areas, rootBytes: Number(rootBytes), listing };
}

/** Waits until the server is up for real and returns what it said: firmware, secure-boot, root, size, swap, failed. */
export async function readUp(machine: Machine, seconds: number): Promise<UpReport> {
  const [, words = ''] = await machine.console.expect(/REMETAL-SERVER-UP ([^\r\n]+)\r?\n/, seconds);
  return Object.fromEntries(words.split(' ').map((word) => word.split(/=(.*)/s).slice(0, 2)));
}
