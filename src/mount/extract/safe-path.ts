/**
 * Paths are handled as one character a byte (`latin1`), since names need not be UTF-8; the parts of a path are its
 * names.
 */
export type RawPath = string;

/** The bytes of a path of a volume. */
export function rawPath(file: { readonly path: string; readonly rawPath: Buffer | null }): RawPath {
  return (file.rawPath ?? Buffer.from(file.path)).toString('latin1');
}

/** A path as the system takes it. */
export function systemPath(folder: string, path: RawPath): Buffer {
  return Buffer.concat([Buffer.from(folder), Buffer.from('/'), Buffer.from(path, 'latin1')]);
}

/**
 * The path of a file of the volume below the folder it is written to, without a slash in front, empty for the folder
 * itself. Names that would lead anywhere else are written with their dots as `%2E`, a zero as `%00`. The first
 * `strip` names are left off; a file keeps its own, a directory that loses all is the folder itself.
 */
export function placeBelow(path: RawPath, strip: number, isDirectory: boolean): RawPath {
  const names = path.split('/').filter((name) => name !== '');
  const left = isDirectory ? strip : Math.min(strip, names.length - 1);
  return names
    .slice(left)
    .map((name) => (/^\.{1,2}$/.test(name) ? name.replaceAll('.', '%2E') : name.replaceAll('\0', '%00')))
    .join('/');
}

/** Folder and name of a path. */
export function parted(path: RawPath): { readonly folder: RawPath; readonly name: RawPath } {
  const slash = path.lastIndexOf('/');
  return slash < 0
    ? { folder: '', name: path }
    : { folder: path.slice(0, slash), name: path.slice(slash + 1) };
}
