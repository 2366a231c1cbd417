import { applianceBoot } from './appliance-boot.ts';
import { dataPath } from './data-path.ts';
import { incremental } from './incremental.ts';
import { extractFiles } from './extract.ts';
import { mountedListing } from './mounted-listing.ts';
import { nbd } from './nbd.ts';
import { netwareMap } from './netware-map.ts';
import { tapePath } from './tape-path.ts';
import { tapeStops } from './tape-stops.ts';

/** Every part of the bench by its name. */
const parts: Readonly<Record<string, () => Promise<void>>> = {
  data: dataPath,
  extract: extractFiles,
  boot: applianceBoot,
  mounted: mountedListing,
  nbd,
  netware: netwareMap,
  incremental,
  stops: tapeStops,
  tape: tapePath,
};

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in parts));
if (unknown.length > 0) {
  process.stderr.write(`No such part: ${unknown.join(', ')}. Parts: ${Object.keys(parts).join(', ')}\n`);
  process.exit(2);
}
for (const [name, part] of Object.entries(parts)) {
  if (asked.length === 0 || asked.includes(name)) await part();
}
