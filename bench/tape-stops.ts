import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createSet, GroupIndex, type VolumeMap } from '../src/archive/index.ts';
import { formatBytes } from '../src/bytes/index.ts';
import { tapeMedium, type Medium } from '../src/medium/index.ts';
import { openCartridges, passingInventory, TapeDrive } from '../src/tape/index.ts';
import { createLibrary, openLibrary, type VirtualLibrary } from '../src/tape/virtual/index.ts';

const MiB = 1024 * 1024;
/** The drive's lowest speed, and a source that cannot keep up with it, bytes a second. */
const driveSpeed = 160 * MiB;
const sourceSpeed = 60 * MiB;
/** A drive without memory of its own worth speaking of. */
const slackMilliseconds = 4;
const size = 768 * MiB;
const groupSize = 512 * 1024;
const bufferSize = 128 * MiB;

/** Times a drive that is too fast for its source has to stop, with the ring before it and without. */
export async function tapeStops(): Promise<void> {
  const rows: { readonly how: string; readonly stops: number; readonly seconds: number }[] = [];
  for (const how of ['without', 'with'] as const) {
    const began = performance.now();
    const stops = await stopsOf(how === 'with');
    rows.push({ how, stops, seconds: (performance.now() - began) / 1000 });
  }
  const [without, withRing] = rows;
  process.stdout.write(
    `${formatBytes(size)} at ${formatBytes(sourceSpeed)}/s onto a drive of ${formatBytes(driveSpeed)}/s\n${rows
      .map(
        ({ how, stops, seconds }) =>
          `  ${how.padEnd(8)}the ring of ${formatBytes(bufferSize)}: ${(stops / (size / 2 ** 30)).toFixed(1)} stops per GiB, ${seconds.toFixed(1)} s\n`,
      )
      .join('')}`,
  );
  if (withRing!.stops * 10 > without!.stops) throw new Error('The ring saves too few stops');
}

async function stopsOf(ring: boolean): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'remetal-bench-'));
  try {
    const pace = { bytesPerSecond: driveSpeed, slackMilliseconds };
    await createLibrary(folder, {
      drives: [{ faults: { pace } }],
      slots: 1,
      cartridges: { BENCH1L8: { size: 2 * size } },
    });
    const library = await openLibrary(folder);
    const medium = mediumOver(library);
    const { buffering, ...unbuffered } = medium;
    await writeSlowly(
      ring ? { ...unbuffered, ...(buffering === undefined ? {} : { buffering }) } : unbuffered,
    );
    await medium.close();
    return library.drives[0]!.scsi.counters.stops;
  } finally {
    await rm(folder, { recursive: true });
  }
}

function mediumOver(library: VirtualLibrary): Medium {
  const { name, open, number } = library.drives[0]!;
  return tapeMedium({
    name,
    buffering: { bytes: bufferSize, start: 0.9 },
    open: () =>
      Promise.resolve(
        openCartridges({
          drive: new TapeDrive(name, open),
          changer: { changer: library.changer!, driveNumber: number },
          operator: null,
          inventory: passingInventory(),
          tell: () => {},
        }),
      ),
  });
}

/** Writes a set of one volume whose groups come as from a disk of the source's speed. */
async function writeSlowly(medium: Medium): Promise<void> {
  const map: VolumeMap = {
    volume: 'disk1.whole',
    size,
    blockSize: 4096,
    groupSize,
    control: [],
    data: [{ start: 0, length: size }],
  };
  const identity = { path: '/bench', size, sectorSize: 512, physicalSectorSize: 512 };
  const unknown = { model: null, serial: null, wwn: null, transport: 'file', removable: false };
  const writer = await createSet(medium, {
    head: {
      format: 1,
      setId: '00000000-0000-4000-8000-000000000001',
      name: 'bench',
      createdAt: new Date().toISOString(),
      kind: 'full',
      chain: [],
      maps: 'first',
      encryption: null,
      software: 'bench',
      note: '',
    },
    layout: {
      version: 1,
      machine: { hostname: 'bench', firmware: null, vendor: null, product: null, serial: null },
      disks: [{ id: 'disk1', identity: { ...identity, ...unknown }, table: { kind: 'none' } }],
      volumes: [
        {
          id: 'disk1.whole',
          name: 'whole',
          kind: 'whole',
          segments: [{ disk: 'disk1', start: 0, length: size / 512 }],
          partition: null,
          filesystem: null,
        },
      ],
    },
    maps: [map],
    level: 0,
    name: 'bench',
  });
  await writer.beginVolume(map);
  const index = new GroupIndex(map);
  const plain = Buffer.alloc(groupSize, 'data of a disk ');
  const began = performance.now();
  for (let i = 0; i < index.groupCount; i++) {
    const due = began + ((i * groupSize) / sourceSpeed) * 1000;
    const early = due - performance.now();
    if (early > 1) await delay(early);
    await writer.group(plain.subarray(0, index.groupLength(i)));
  }
  const time = new Date().toISOString();
  await writer.finish({ wholeBecause: {}, leftOut: [], startedAt: time, finishedAt: time, notices: [] });
}
