import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import fc from 'fast-check';
import { canonicalJson, decodeUstar, padded, tarBlock } from '../../src/bytes/index.ts';
import { isCoded } from '../../src/errors/index.ts';
import { sourceFile } from '../../src/system/index.ts';
import { decodeLabel, encodeLabel, type CartridgeLabel } from '../../src/tape/label.ts';
import { hash } from 'node:crypto';
import { requires } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';

const label: CartridgeLabel = {
  format: 1,
  cartridge: '7c1f1e9c-64ab-4f3e-9b0f-2f5d5a1f9f10',
  name: 'Täglich 3',
  barcode: 'WEB003L8',
  recordLimit: 1024 * 1024,
  labelledAt: '2026-11-25T20:00:00.000Z',
  software: 'remetal 0.1.0',
};

const labels = fc.record<CartridgeLabel>({
  format: fc.constant(1),
  cartridge: fc.uuid(),
  name: fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme' }),
  barcode: fc.option(fc.string({ maxLength: 32 })),
  recordLimit: fc.integer({ min: 65536, max: 2 ** 24 }),
  labelledAt: fc
    .date({ min: new Date(0), max: new Date('2200-01-01'), noInvalidDate: true })
    .map((date) => date.toISOString()),
  software: fc.string(),
});

test('any label comes back from its block', (t) => {
  fc.assert(
    fc.property(labels, (one) => {
      t.deepEqual(decodeLabel(encodeLabel(one)), one);
    }),
  );
});

test('every byte of a label that is another is noticed', (t) => {
  const block = encodeLabel(label);
  const end = tarBlock + padded(decodeUstar(block, 0)!.size);
  const text = tarBlock + decodeUstar(block, 0)!.size;
  fc.assert(
    fc.property(fc.nat({ max: text - 1 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const damaged = Buffer.from(block);
      damaged[at]! ^= change;
      let found: unknown;
      try {
        found = decodeLabel(damaged);
      } catch (error) {
        if (!isCoded(error, 'cartridge-unlabelled')) throw error;
        found = null;
      }
      t.is(found, null);
    }),
    { numRuns: 3000 },
  );
  t.true(end < block.length);
});

test('a digit that became an exponent is damage like any other', (t) => {
  const block = encodeLabel(label);
  block[block.indexOf('1048576') + 2] = 'E'.charCodeAt(0);
  t.throws(() => decodeLabel(block), { code: 'cartridge-unlabelled' });
  block[block.indexOf('10E8576') + 1] = '9'.charCodeAt(0);
  t.throws(() => decodeLabel(block), { code: 'cartridge-unlabelled' });
});

test('blanks that JSON does not mind count too', (t) => {
  const block = encodeLabel(label);
  const blank = block.indexOf('  "name"');
  block.write('\t', blank, 'latin1');
  t.throws(() => decodeLabel(block), { code: 'cartridge-unlabelled' });
});

test('blocks of anything are no label, and never more than that', (t) => {
  const size = decodeUstar(encodeLabel(label), 0)!.size;
  const head = encodeLabel(label).subarray(0, tarBlock);
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 3000 }),
    fc
      .uint8Array({ minLength: size, maxLength: size })
      .map((bytes) => Buffer.concat([head, Buffer.from(bytes)])),
    fc.json().map((json) => Buffer.concat([head, Buffer.from(json.padEnd(size).slice(0, size))])),
    fc.nat({ max: 2000 }).map((length) => encodeLabel(label).subarray(0, length)),
  );
  fc.assert(
    fc.property(anything, (bytes) => {
      try {
        const found = decodeLabel(Buffer.from(bytes));
        t.true(found === null || found.cartridge === label.cartridge);
      } catch (error) {
        t.true(isCoded(error, 'cartridge-unlabelled'));
      }
    }),
    { numRuns: 1000 },
  );
});

test('a label of a later format is told from a damaged one', (t) => {
  const later = { ...label, format: 2, colour: 'red' };
  const content = Buffer.from(
    JSON.stringify({ ...later, check: hash('sha256', canonicalJson(later), 'hex') }),
  );
  const block = encodeLabel(label);
  const { size } = decodeUstar(block, 0)!;
  t.true(content.length <= size);
  const padding = Buffer.alloc(size - content.length, ' ');
  const made = Buffer.concat([block.subarray(0, tarBlock), content, padding]);
  t.throws(() => decodeLabel(made), { code: 'set-too-new' });
  made[made.indexOf('red')] = 'R'.charCodeAt(0);
  t.throws(() => decodeLabel(made), { code: 'cartridge-unlabelled' });
});

requires('tar')('GNU tar takes a label apart, and the reader in it runs', async (t) => {
  const folder = temporary(t);
  const reader = await sourceFile('tools/remetal-reader.py');
  const block = encodeLabel(label, { reader });
  t.true(block.length <= 64 * 1024);
  t.is(block.length % tarBlock, 0);
  writeFileSync(join(folder, 'label.tar'), block);
  const unpacked = join(folder, 'unpacked');
  mkdirSync(unpacked);
  const { stdout } = await execa('tar', ['-xvf', join(folder, 'label.tar'), '-C', unpacked]);
  t.deepEqual(stdout.split('\n'), ['REMETAL-CARTRIDGE.json', 'README.txt', 'remetal-reader.py']);
  t.like(JSON.parse(readFileSync(join(unpacked, 'REMETAL-CARTRIDGE.json'), 'utf8')), label);
  t.regex(
    readFileSync(join(unpacked, 'README.txt'), 'utf8'),
    /No block on this tape is longer than 1048576 bytes/,
  );
  t.true(readFileSync(join(unpacked, 'remetal-reader.py')).equals(reader));
});
