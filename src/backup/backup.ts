import { randomUUID } from 'node:crypto';
import {
  createSet,
  type LeftOut,
  type SetHead,
  type SetTotals,
  type SetWriter,
  type VolumeMap,
} from '../archive/index.ts';
import { total } from '../bytes/index.ts';
import { bufferPool } from '../disk/index.ts';
import { isCoded } from '../errors/index.ts';
import type { Medium, SetOnMedium } from '../medium/medium.ts';
import type { Notice } from '../progress/index.ts';
import { nativeCodec } from '../system/index.ts';
import { throwIfStopped } from './interruption.ts';
import type { BackupRequest, BackupResult } from './request.ts';
import { sumSpool } from './sum-spool.ts';
import { survey, type Survey } from './survey.ts';
import { transfer } from './transfer.ts';
import packageFacts from '../../package.json' with { type: 'json' };

/** Half of it plain bytes, half room for gaps; see `batchesOf`. */
const slabSize = 8 * 1024 * 1024;
/** Two being read, one handed over, one whose last groups are still being compressed. */
const slabs = 4;

/** What is on the medium; nothing where the place is made only when something is written. */
async function setsOn(medium: Medium): Promise<SetOnMedium[]> {
  try {
    return await medium.list();
  } catch (error) {
    if (isCoded(error, 'medium-not-found')) return [];
    throw error;
  }
}

/** `web1-20260314T150926Z`, with a number behind it should the medium have that already. */
async function setName(medium: Medium, name: string, now: Date): Promise<string> {
  const stem = name.replaceAll(/[^A-Za-z0-9._-]+/g, '-').replaceAll(/^[.-]+|-+$/g, '') || 'machine';
  const time = now.toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const taken = new Set((await setsOn(medium)).map((set) => set.name));
  const wanted = `${stem}-${time}`;
  for (let i = 1; ; i++) {
    const candidate = i === 1 ? wanted : `${wanted}-${i}`;
    if (!taken.has(candidate)) return candidate;
  }
}

/**
 * Images disks onto a medium as one set, a full one or what has changed since an earlier one. The sources are only read. Throws what `survey` throws,
 * `disk-read-failed` (with `onReadError: 'stop'`), `disk-gone`, `medium-full`, `medium-failed` and
 * `interrupted`; whatever it throws, what is on the medium then is not a complete set.
 */
export async function backup(request: BackupRequest): Promise<BackupResult> {
  const { medium, reporter, signal, now, since } = request;
  const began = performance.now();
  const notices: SetTotals['notices'] = [];
  const tell = (notice: Notice): void => {
    notices.push({ code: notice.code, message: notice.message });
    reporter.notice(notice);
  };
  const found = await survey(request, tell);
  const head: SetHead = {
    format: 1,
    setId: randomUUID(),
    name: request.name,
    createdAt: now.toISOString(),
    ...(since === undefined
      ? { kind: 'full', chain: [], maps: 'first' }
      : { kind: 'incremental', chain: [...since.chain], maps: 'last' }),
    encryption: null,
    software: `remetal ${packageFacts.version}`,
    note: request.note,
  };
  const set = await setName(medium, request.name, now);
  const writer = await createSet(medium, {
    head,
    layout: found.layout,
    maps: mapsOf(found),
    expectedBytes: found.volumes.reduce((sum, volume) => sum + volume.keptBytes, 0),
    level: request.level,
    name: set,
    codec: nativeCodec(),
    makeSpool: sumSpool,
    ...(since === undefined ? {} : { since }),
  });
  try {
    const unreadable = await moveVolumes(request, found, writer);
    throwIfStopped(signal);
    const kept = found.volumes.reduce((sum, volume) => sum + volume.keptBytes, 0);
    reporter.progress({ phase: 'finish', doneBytes: kept, totalBytes: kept });
    for (const { bytes, volume } of unreadable) {
      tell({
        level: 'warning',
        code: 'sectors-unreadable',
        message: `${volume}: ${bytes} bytes could not be read and are stored as zeros`,
        facts: { volume, bytes },
      });
    }
    const totals = await writer.finish({
      wholeBecause: Object.fromEntries(
        found.volumes.map(({ volume, wholeBecause }) => [volume.id, wholeBecause]),
      ),
      control: Object.fromEntries(found.volumes.map(({ volume, control }) => [volume.id, control])),
      leftOut: [...found.leftOut, ...found.volumes.flatMap((volume) => volume.leftOut), ...unreadable],
      startedAt: now.toISOString(),
      finishedAt: new Date(now.getTime() + Math.round(performance.now() - began)).toISOString(),
      notices,
    });
    return { set, head, layout: found.layout, totals };
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

function* mapsOf({ volumes }: Survey): Generator<VolumeMap, void, undefined> {
  for (const { map } of volumes) yield map();
}

/** Moves every volume in turn; gives back what could not be read, by volume. */
async function moveVolumes(request: BackupRequest, found: Survey, writer: SetWriter): Promise<LeftOut[]> {
  const { reporter, signal, onReadError } = request;
  const pool = bufferPool(slabSize, slabs);
  const totalBytes = found.volumes.reduce((sum, volume) => sum + volume.keptBytes, 0);
  const unreadable: LeftOut[] = [];
  let doneBytes = 0;
  for (const volume of found.volumes) {
    const { id, name } = volume.volume;
    const report = (): void => {
      const { buffer } = writer;
      reporter.progress({
        phase: 'backup',
        volume: name,
        doneBytes,
        totalBytes,
        ...(buffer === null ? {} : { buffer }),
      });
    };
    report();
    const lost = await transfer({
      volume,
      writer,
      pool,
      onReadError,
      signal,
      moved(bytes) {
        doneBytes += bytes;
        report();
      },
    });
    if (lost.length === 0) continue;
    const bytes = total(lost);
    const detail = `${bytes / volume.device.sectorSize} sectors that could not be read, stored as zeros`;
    unreadable.push({ volume: id, bytes, reason: 'unreadable', detail });
  }
  return unreadable;
}
