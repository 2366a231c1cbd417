/** Serves an image file for the bench: `SOCKET file IMAGE`, or `SOCKET overlay IMAGE FOLDER BYTES`. */
import { openDisk, overlay, type BlockDevice } from '../src/disk/index.ts';
import { serveNbd } from '../src/mount/nbd/index.ts';

const [socket = '', what, image = '', folder = '', bytes] = process.argv.slice(2);
// As nbdkit does, by way of the page cache.
const disk = await openDisk(image, { direct: false });
let device: BlockDevice = disk;
if (what === 'overlay') device = await overlay(disk, { folder, mostBytes: Number(bytes) });
const server = await serveNbd({
  exports: [{ name: 'image', description: '', device, readOnly: what !== 'overlay' }],
  listen: { socket },
});
process.once('SIGTERM', () => {
  void server
    .close()
    .then(() => device.close())
    .then(() => disk.close());
});
