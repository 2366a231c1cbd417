/**
 * mount/nbd/: a server of the Network Block Device protocol: block devices as exports on a unix socket or
 * a TCP port, for the kernel's client, nbdfuse, nbdcopy and qemu. Structures and numbers are those of
 * https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md. Imports disk, bytes, progress and
 * errors; knows no set and no file system. Of these files `protocol`, `option`, `request` and
 * `block-status` are pure.
 */
export { exportUri, type ListenAt, type TlsFiles } from './address.ts';
export { serveNbd, type NbdExport, type NbdServer, type ServeOptions } from './server.ts';
