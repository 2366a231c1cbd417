/** A NetWare volume as its volume table defines it. */
export interface VolumeDefinition {
  readonly name: string;
  /** log2(sectors of 512 bytes per block): 3 = 4K .. 7 = 64K */
  readonly blockShift: number;
  readonly blocks: number;
  readonly firstFat: number;
  readonly mirrorFat: number;
  readonly firstDirectory: number;
  readonly mirrorDirectory: number;
  /** in order */
  readonly segments: readonly { readonly firstBlock: number; readonly blocks: number }[];
  readonly flags: number;
  readonly sync: number;
}
