/** A way of recording that drives name by a density code. */
export interface Density {
  readonly name: string;
  /** Bytes that go on a cartridge without compression. */
  readonly capacity: number;
  /** Rate of a full-height drive without compression, bytes a second. */
  readonly rate: number;
}

const giga = 1e9;
const mega = 1e6;

/** Density codes of the LTO program; 5dh is a cartridge of the seventh generation in a drive of the eighth. */
const densities: Readonly<Record<number, Density>> = {
  0x40: { name: 'LTO-1', capacity: 100 * giga, rate: 20 * mega },
  0x42: { name: 'LTO-2', capacity: 200 * giga, rate: 40 * mega },
  0x44: { name: 'LTO-3', capacity: 400 * giga, rate: 80 * mega },
  0x46: { name: 'LTO-4', capacity: 800 * giga, rate: 120 * mega },
  0x58: { name: 'LTO-5', capacity: 1500 * giga, rate: 140 * mega },
  0x5a: { name: 'LTO-6', capacity: 2500 * giga, rate: 160 * mega },
  0x5c: { name: 'LTO-7', capacity: 6000 * giga, rate: 300 * mega },
  0x5d: { name: 'LTO-7 M8', capacity: 9000 * giga, rate: 300 * mega },
  0x5e: { name: 'LTO-8', capacity: 12000 * giga, rate: 360 * mega },
  0x60: { name: 'LTO-9', capacity: 18000 * giga, rate: 400 * mega },
  0x62: { name: 'LTO-10', capacity: 30000 * giga, rate: 400 * mega },
  0x63: { name: 'LTO-10 P', capacity: 40000 * giga, rate: 400 * mega },
};

/** Null for codes this program has no name for, and for 0, which is said without a cartridge. */
export function densityOf(code: number): Density | null {
  return densities[code] ?? null;
}
