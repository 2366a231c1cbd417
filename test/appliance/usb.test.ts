import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { z } from 'zod';
import { planDataPartition } from '../../src/appliance/stick.ts';
import { DATA_LABEL, inspectStick, writeUsb } from '../../src/appliance/usb.ts';
import { isCoded } from '../../src/errors/index.ts';
import { attachLoop, run } from '../../src/system/index.ts';
import { requires, requiresRoot } from '../helpers/requires.ts';
import { temporary } from '../helpers/temporary.ts';

const MiB = 1024 * 1024;

/** A small image of the shape the appliance has: ISO 9660 with a GPT and an appended EFI partition. */
async function smallImage(folder: string): Promise<string> {
  const tree = join(folder, 'tree');
  mkdirSync(tree);
  writeFileSync(join(tree, 'file'), 'content');
  const efi = join(folder, 'efi.img');
  writeFileSync(efi, Buffer.alloc(MiB));
  const image = join(folder, 'image.iso');
  await run('xorriso', [
    '-no_rc',
    '-as',
    'mkisofs',
    '-quiet',
    '-r',
    '-V',
    'REMETAL',
    '-o',
    image,
    '-partition_offset',
    '16',
    '-append_partition',
    '2',
    '28732ac11ff8d211ba4b00a0c93ec93b',
    efi,
    '-appended_part_as_gpt',
    '-iso_mbr_part_type',
    'a2a0d0ebe5b9334487c068b6b72699c7',
    '--mbr-force-bootable',
    tree,
  ]);
  return image;
}

function stickFile(folder: string, size: number): string {
  const file = join(folder, 'stick.img');
  writeFileSync(file, '');
  truncateSync(file, size);
  return file;
}

const tableSchema = z.object({
  partitiontable: z.object({
    partitions: z.array(z.object({ start: z.number(), size: z.number(), name: z.string().optional() })),
  }),
});

async function partitions(
  file: string,
): Promise<z.infer<typeof tableSchema>['partitiontable']['partitions']> {
  const { stdout } = await run('sfdisk', ['--json', file]);
  return tableSchema.parse(JSON.parse(stdout)).partitiontable.partitions;
}

for (const fileSystem of ['ext4', 'fat32'] as const) {
  const mkfs = fileSystem === 'ext4' ? 'mke2fs' : 'mkfs.fat';
  requires(
    'xorriso',
    'sfdisk',
    'blkid',
    mkfs,
  )(
    `a ${fileSystem} data partition is added behind the image, and both tables are whole`,
    async (t: ExecutionContext) => {
      const folder = temporary(t);
      const image = await smallImage(folder);
      const target = stickFile(folder, 48 * MiB);
      const before = await partitions(image);
      const result = await writeUsb({ image, target, data: fileSystem });
      const verified = await run('sfdisk', ['--verify', target]);
      t.regex(verified.stdout, /No errors detected/);
      const after = await partitions(target);
      t.deepEqual(
        after.slice(0, before.length).map(({ start, size }) => [start, size]),
        before.map(({ start, size }) => [start, size]),
      );
      const data = after.at(-1)!;
      t.is(data.start * 512, result.data!.offset);
      t.is(data.size * 512, result.data!.size);
      t.is(data.name, 'Remetal data');
      const found = await run('blkid', ['-p', '-o', 'export', '-O', String(result.data!.offset), target]);
      t.regex(found.stdout, new RegExp(`^LABEL=${DATA_LABEL}$`, 'm'));
      // All of the image but its tables and its first sector is untouched.
      const written = readFileSync(target).subarray(64 * 512, readFileSync(image).length);
      t.true(written.equals(readFileSync(image).subarray(64 * 512)));
      // The boot code in front of the protective entries too.
      t.deepEqual(readFileSync(target).subarray(0, 446), readFileSync(image).subarray(0, 446));
    },
  );
}

requires('xorriso')(
  'without a data partition a new file is the image itself',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const image = await smallImage(folder);
    const target = join(folder, 'new.img');
    const phases = new Set<string>();
    const result = await writeUsb({
      image,
      target,
      data: null,
      onProgress: ({ phase }) => phases.add(phase),
    });
    t.deepEqual(readFileSync(target), readFileSync(image));
    t.is(result.writtenBytes, readFileSync(image).length);
    t.deepEqual([...phases], ['write', 'read-back']);
  },
);

requires('xorriso')(
  'too small, no image, no room: each is told apart and nothing is written',
  async (t: ExecutionContext) => {
    const folder = temporary(t);
    const image = await smallImage(folder);
    const target = stickFile(folder, MiB);
    const small = await t.throwsAsync(writeUsb({ image, target, data: null }));
    t.true(isCoded(small, 'target-too-small'));
    t.deepEqual(readFileSync(target), Buffer.alloc(MiB));
    const foreign = await t.throwsAsync(writeUsb({ image: target, target, data: null }));
    t.true(isCoded(foreign, 'usage'));
    const absent = await t.throwsAsync(writeUsb({ image: join(folder, 'none'), target, data: null }));
    t.true(isCoded(absent, 'usage'));
    const start = readFileSync(image).subarray(0, 64 * 512);
    const size = readFileSync(image).length + 8 * MiB;
    const room = t.throws(() =>
      planDataPartition({ start, imageSize: size - 8 * MiB, size, fileSystem: 'ext4' }),
    );
    t.true(isCoded(room, 'target-too-small'));
  },
);

test('a damaged table takes no data partition', (t) => {
  const start = Buffer.alloc(64 * 512);
  const request = { start, imageSize: MiB, size: 100 * MiB, fileSystem: 'ext4' } as const;
  t.true(
    isCoded(
      t.throws(() => planDataPartition(request)),
      'build-failed',
    ),
  );
  start.write('EFI PART', 512, 'latin1');
  t.true(
    isCoded(
      t.throws(() => planDataPartition(request)),
      'build-failed',
    ),
  );
});

requiresRoot(
  'losetup',
  'mke2fs',
  'mount',
)('a disk that is mounted is refused', async (t: ExecutionContext) => {
  const folder = temporary(t);
  const file = stickFile(folder, 8 * MiB);
  await run('mke2fs', ['-q', '-F', file]);
  const loop = await attachLoop({ path: file });
  t.teardown(() => loop.detach());
  const point = join(folder, 'point');
  mkdirSync(point);
  await run('mount', [loop.path, point]);
  try {
    t.true(isCoded(await t.throwsAsync(inspectStick(loop.path)), 'disk-busy'));
  } finally {
    await run('umount', [point]);
  }
});

test('what is not there is refused by name', async (t) => {
  t.true(isCoded(await t.throwsAsync(inspectStick('/dev/no-such-disk')), 'disk-not-found'));
});
