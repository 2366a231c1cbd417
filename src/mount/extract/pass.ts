import type { Extent } from '../../bytes/index.ts';
import { isCoded, RemetalError } from '../../errors/index.ts';
import { bytesInOrder } from './in-order.ts';
import type { Ledger } from './ledger.ts';
import type { Parts } from './parts.ts';
import type { ExtractRequest } from './request.ts';

/** More extents than this are asked for as fewer, with the gaps between them. */
const mostExtents = 200_000;

/** Reads everything that has a place, once and in the order of the medium, and writes each piece where it belongs. */
export async function pass(request: ExtractRequest, parts: Parts, ledger: Ledger): Promise<void> {
  const { placed, staged } = parts;
  const lost: { extent: Extent; error: RemetalError }[] = [];
  const loseAll = async (): Promise<void> => {
    for (const { extent, error } of lost.splice(0)) {
      for await (const run of placed.within(extent.start, extent.start + extent.length)) {
        await ledger.lose(run.file, run.length, error);
      }
    }
  };
  const pieces = bytesInOrder(request.volume, placed.extents(mostExtents), {
    ...(request.signal === undefined ? {} : { signal: request.signal }),
    onDamage: (extent, error) => lost.push({ extent, error }),
  });
  for await (const { start, bytes } of pieces) {
    for await (const { file, offset, length, start: from } of placed.within(start, start + bytes.length)) {
      if (!ledger.isOpen(file)) continue;
      const piece = bytes.subarray(from - start, from - start + length);
      await ledger.guarded(file, null, () => staged.write(file, piece, offset));
      if (ledger.isOpen(file)) await ledger.paid(file, length);
    }
    await loseAll();
  }
  await loseAll();
}

/** Reads what has no place of its own through the tree, file by file. */
export async function passThrough(request: ExtractRequest, parts: Parts, ledger: Ledger): Promise<void> {
  const { through, catalogue, staged } = parts;
  const { tree, signal } = request;
  if (through.size === 0 || tree.content === undefined) return;
  for await (const { file: number, offset, length } of through.all()) {
    signal?.throwIfAborted();
    if (!ledger.isOpen(number)) continue;
    const { file } = await catalogue.entry(number);
    try {
      let at = offset;
      for await (const bytes of tree.content(file, offset, length)) {
        signal?.throwIfAborted();
        const here = at;
        await ledger.guarded(number, file, () => staged.writeSparse(number, bytes, here));
        if (!ledger.isOpen(number)) break;
        at += bytes.length;
      }
      // What ends early is as long as it says, with zeros.
      if (ledger.isOpen(number)) await ledger.paid(number, length);
    } catch (error) {
      if (!isCoded(error, 'disk-read-failed')) throw error;
      await ledger.lose(number, length, error);
    }
  }
}

/** Gives up the files that are still owed something: a volume gave less than it was asked for. */
export async function giveUpRest({ catalogue }: Parts, ledger: Ledger): Promise<void> {
  for (let number = 0; number < catalogue.size; number++) {
    if (!ledger.isOpen(number) || catalogue.owe(number, 0) === 0) continue;
    const { file } = await catalogue.entry(number);
    const message = `${file.path} was not read in full`;
    await ledger.fail(number, file, new RemetalError('disk-read-failed', message));
  }
}
