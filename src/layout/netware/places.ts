/**
 * Fixed numbers of a NetWare 386 data partition. Sources: jeffmerkey/netware-file-system (nwfs.h,
 * nwvp.c, nwtool.c), zhmu/nwfs (doc/nwfs386.md), both read for facts only; EP 0767431 A1, section 1.
 */

/** The only sector size NetWare 386 knows, bytes. */
export const sectorSize = 512;
/** Sectors of the piece that hotfix moves as a whole, whatever the block size of a volume. */
export const unitSectors = 8;
export const unitSize = unitSectors * sectorSize;
/** Type of a NetWare 386 partition in an MBR: 3.x, 4.x and traditional volumes of 5.x and 6.x. */
export const netwareType = 0x65;

/** Sectors of the partition with a copy of the HOTFIX00 header; a copy of MIRROR00 follows each. */
export const headerPlaces: readonly number[] = [32, 64, 96, 128];
/** Logical sectors with a copy of the volume table. */
export const tablePlaces: readonly number[] = [32, 64, 96, 128];
/** Where EP 0767431 A1 says the copies lie; looked at where the real place holds none. */
export const patentTablePlaces: readonly number[] = [160, 192, 224, 256];
/** Logical sector at which the first segment begins. */
export const firstSegmentSector = 160;

/** Segments a partition can have: the entries of its volume table. */
export const mostSegmentsOfPartition = 8;
/** Segments a volume can have. */
export const mostSegmentsOfVolume = 32;
/** log2 of the sectors of the smallest and the largest block: 4 KiB and 64 KiB. */
export const smallestBlockShift = 3;
export const largestBlockShift = 7;

/** Units one redirection table speaks for. */
export const unitsOfTable = 1024;
/** Groups of table pointers a HOTFIX00 header has room for. */
export const mostTableGroups = 30;
