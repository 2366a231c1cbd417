import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runtimePath } from './agent.ts';
import { cached, hashFile, inScratch, keyOf, keyOfFolder } from './cache.ts';
import type { Ingredients } from './ingredients.ts';
import { writeInitramfs } from './initramfs.ts';
import { addModules, addOverlay, rootTree } from './root.ts';

/** The initramfs segment of the root: everything but agent and answers. Throws `build-failed`. */
export async function baseSegment(request: {
  readonly ingredients: Ingredients;
  /** zstd level. */
  readonly level: number;
  /** Folders laid over the root after the committed one. */
  readonly overlays: readonly string[];
  /** Folder laid over /usr/lib/firmware; null for none. */
  readonly firmware: string | null;
}): Promise<{ segment: string; reused: boolean }> {
  const { ingredients, level, firmware } = request;
  const { cache, source, list, kernel, kernelPackage, tools } = ingredients;
  const overlays = [join(source, 'buildroot-overlay'), ...request.overlays];
  const modules = await readFile(join(source, 'iso', 'modules.txt'), 'utf8');
  const packages = ingredients.appliance.map((item) => item.sha256);
  const { folder, reused } = await cached({
    cache,
    name: 'base',
    key: keyOf(
      [ingredients.version, level, list, packages, kernelPackage.sha256, modules],
      await hashFile(runtimePath()),
      await Promise.all(overlays.map(keyOfFolder)),
      firmware === null ? null : await keyOfFolder(firmware),
    ),
    make: async (place) => {
      const tree = await rootTree({
        programs: list.appliance,
        packages: ingredients.appliance,
        runtimes: [runtimePath()],
        overlays,
      });
      if (firmware !== null) await addOverlay(tree, firmware, 'usr/lib/firmware');
      await inScratch(cache, async (scratch) => {
        await addModules({ tree, kernel: kernelPackage, release: kernel, list: modules, tools, scratch });
        await writeInitramfs(join(place, 'base.img'), tree, level, tools);
      });
    },
  });
  return { segment: join(folder, 'base.img'), reused };
}
