import type { TokenReport } from '../server/index.ts';

/** Where two reports differ: the areas, and where both have listings, the first files. */
export function tokenDifference(original: TokenReport, restored: TokenReport): string {
  const areas = Object.keys(original.areas).filter(
    (area) => original.areas[area]?.hash !== restored.areas[area]?.hash,
  );
  const counts = areas.map(
    (area) => `${area} (${original.areas[area]?.files} files, now ${restored.areas[area]?.files})`,
  );
  if (original.listing === null || restored.listing === null) return counts.join(', ');
  const before = new Set(original.listing.split('\n'));
  const after = new Set(restored.listing.split('\n'));
  const gone = [...before].filter((line) => !after.has(line)).map((line) => `- ${line}`);
  const come = [...after].filter((line) => !before.has(line)).map((line) => `+ ${line}`);
  return [counts.join(', '), ...gone.slice(0, 10), ...come.slice(0, 10)].join('\n');
}
