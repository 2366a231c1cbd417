/** So many bytes of a file, as its file system tells where they lie. */
export interface MappedRun {
  /** Byte of the file. */
  readonly offset: number;
  readonly length: number;
  /** Byte of the device the file system lies on; null where `kind` is not `plain`. */
  readonly start: number | null;
  /**
   * `plain` is read at `start`; `zeros` is allocated and was never written; `through` lies compressed, encrypted,
   * inside a structure or on several devices and can only be read through the file.
   */
  readonly kind: 'plain' | 'zeros' | 'through';
}
