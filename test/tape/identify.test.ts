import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import test from 'ava';
import { execa } from 'execa';
import fc from 'fast-check';
import { isCoded } from '../../src/errors/index.ts';
import { identify } from '../../src/tape/identify.ts';
import { encodeLabel } from '../../src/tape/label.ts';
import { image } from './images.ts';
import { requires } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';

function words(...blocks: readonly Buffer[]): string {
  const identity = identify(blocks);
  return identity.kind === 'foreign' ? identity.words : identity.kind;
}

function marked(length: number, ...marks: readonly [number, string | Buffer][]): Buffer {
  const block = Buffer.alloc(length);
  for (const [at, mark] of marks)
    block.set(typeof mark === 'string' ? Buffer.from(mark, 'latin1') : mark, at);
  return block;
}

function word(value: number, byteOrder: 'LE' | 'BE'): Buffer {
  const bytes = Buffer.alloc(4);
  if (byteOrder === 'LE') bytes.writeUInt32LE(value);
  else bytes.writeUInt32BE(value);
  return bytes;
}

/** The tape's beginning as its program writes it, and what it is called. */
const tapes: readonly (readonly [string, Buffer])[] = [
  ['an LTFS volume', marked(80, [0, 'VOL1ABC123L'], [24, 'LTFS'], [79, '4'])],
  ['a NetBackup volume', marked(1024, [0, 'VOL1ABC123'], [112, 'ThIs Is A BP tApE hEaDer'])],
  ['a labelled (ANSI) volume', marked(80, [0, 'VOL1ABC123']).fill(0x20, 10)],
  ['a labelled (ANSI) volume', marked(80, [0, 'HDR1ABC123'])],
  ['a labelled (IBM) volume', marked(80, [0, '\xe5\xd6\xd3\xf1'])],
  ['a Bacula volume', marked(64_512, [12, 'BB02'], [36, 'Bacula 1.0 immortal\n'])],
  ['a Bareos volume', marked(64_512, [12, 'BB02'], [36, 'Bareos 2.0 immortal\n'])],
  ['a Bacula or Bareos volume', marked(64_512, [12, 'BB02'])],
  ['an Amanda volume', marked(32_768, [0, 'AMANDA: TAPESTART DATE 20260314150926 TAPE DAILY-3\n\f\n'])],
  ['a Proxmox Backup volume', marked(262_144, [0, '\xdc\xbd\xaf\xca\xeb\xa0\xa5\x28'])],
  ['a volume of Veeam, Backup Exec or Windows (Microsoft Tape Format)', marked(1024, [0, 'TAPE'])],
  ['a dump of a file system', marked(10_240, [24, word(60_012, 'LE')])],
  ['a dump of a file system', marked(10_240, [24, word(0x1954_0119, 'BE')])],
  ['data compressed with gzip', gzipSync('text')],
  ['data compressed with zstd', zstdCompressSync('text')],
  ['zeros', Buffer.alloc(512)],
  ['data of a program that is not known', Buffer.from('something else')],
  ['zeros', Buffer.alloc(1)],
];

for (const [i, [name, block]] of tapes.entries()) {
  test(`${name} is known by its beginning (${i})`, (t) => {
    t.is(words(block), name);
  });
}

function cut(bytes: Buffer, length: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / length) }, (_, i) =>
    bytes.subarray(i * length, (i + 1) * length),
  );
}

requires('tar', 'cpio')('archives of tar and cpio are known, of every age', async (t) => {
  const folder = temporary(t);
  writeFileSync(join(folder, 'file'), 'content');
  for (const format of ['gnu', 'ustar', 'pax', 'v7', 'oldgnu']) {
    const archive = join(folder, `${format}.tar`);
    await execa('tar', [`--format=${format}`, '-cf', archive, '-C', folder, 'file']);
    t.is(words(readFileSync(archive).subarray(0, 10_240)), 'a tar archive', format);
  }
  for (const format of ['newc', 'odc', 'bin', 'crc']) {
    const archive = join(folder, `${format}.cpio`);
    await execa('cpio', ['-o', '-H', format, '-F', archive], { cwd: folder, input: 'file\n' });
    t.is(words(readFileSync(archive).subarray(0, 512)), 'a cpio archive', format);
  }
});

test('images are told by their volume, in blocks of any length', (t) => {
  const ours = image({ name: 'REMETAL' });
  const other = image({ name: 'Debian 12' });
  for (const length of [2048, 10_000, 65_536]) {
    t.deepEqual(identify(cut(ours, length)), { kind: 'appliance', oneButton: false });
    t.is(words(...cut(other, length)), 'a CD image');
  }
  const zone = cut(Buffer.alloc(20 * 512), 512);
  t.deepEqual(identify([...zone, ...cut(ours, 2048)]), { kind: 'appliance', oneButton: true });
  t.is(words(...zone, ...cut(other, 2048)), 'a bootable tape (OBDR)');
});

test('our label is ours, and anything is something', (t) => {
  const label = {
    format: 1,
    cartridge: '7c1f1e9c-64ab-4f3e-9b0f-2f5d5a1f9f10',
    name: 'A',
    barcode: null,
    recordLimit: 65_536,
    labelledAt: '2026-11-25T20:00:00.000Z',
    software: 'remetal',
  } as const;
  t.deepEqual(identify([encodeLabel(label)]), { kind: 'label', label });
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 700 })), (blocks) => {
      t.is(identify(blocks.map((block) => Buffer.from(block))).kind, 'foreign');
    }),
  );
  const damaged = encodeLabel(label);
  damaged[600] = 0;
  t.true(
    isCoded(
      t.throws(() => identify([damaged])),
      'cartridge-unlabelled',
    ),
  );
});
