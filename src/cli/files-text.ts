import type { FileKind, Moment, TreeFile } from '../filesystem/index.ts';
import { shown } from './table.ts';

const kindLetters: Readonly<Record<FileKind, string>> = {
  file: '-',
  directory: 'd',
  link: 'l',
  fifo: 'p',
  socket: 's',
  character: 'c',
  block: 'b',
};

/** A file and what it points to, if it is a link. */
export interface Described {
  readonly file: TreeFile;
  readonly target: Buffer | null;
}

/** `/etc/fstab`, a directory with a slash at its end. */
export function plainLine({ file }: Described): string {
  return `${shown(withSlash(file))}\n`;
}

const withSlash = ({ path, kind }: TreeFile): string =>
  kind === 'directory' && path !== '/' ? `${path}/` : path;

/**
 * Lines as `ls -ln` has them. The columns are as wide as what came so far needed, so that lines can be
 * printed while a volume is walked.
 */
export class LongLines {
  readonly #widths: number[] = [];

  lines(described: readonly Described[]): string {
    const rows = described.map((each) => columns(each));
    for (const row of rows) {
      for (const [i, cell] of row.entries()) this.#widths[i] = Math.max(this.#widths[i] ?? 0, cell.length);
    }
    return rows.map((row) => this.#line(row)).join('');
  }

  #line(row: readonly string[]): string {
    const [mode = '', ...rest] = row;
    const last = rest.length - 1;
    const cells = rest.map((cell, i) => (i === last ? cell : cell.padStart(this.#widths[i + 1] ?? 0)));
    return `${[mode.padEnd(this.#widths[0] ?? 0), ...cells].join(' ')}\n`;
  }
}

function columns({ file, target }: Described): string[] {
  const arrow = target === null ? '' : ` -> ${shown(target.toString())}`;
  return [
    modeText(file),
    String(file.links),
    file.owner === null ? '-' : String(file.owner.user),
    file.owner === null ? '-' : String(file.owner.group),
    file.device === null ? String(file.size) : `${file.device.major},${file.device.minor}`,
    file.modified === null ? '-' : momentText(file.modified).slice(0, 19).replace('T', ' '),
    shown(file.path) + arrow,
  ];
}

/** `-rwsr-xr-x`; the attributes of DOS where there are no permissions. */
export function modeText({ kind, mode, more }: Pick<TreeFile, 'kind' | 'mode' | 'more'>): string {
  const letter = kindLetters[kind];
  if (mode === null) return letter + (more['attributes'] ?? '');
  const bits = Array.from('rwxrwxrwx', (bit, i) => ((mode & (0o400 >> i)) === 0 ? '-' : bit));
  const special: [number, number, string][] = [
    [0o4000, 2, 's'],
    [0o2000, 5, 's'],
    [0o1000, 8, 't'],
  ];
  for (const [bit, at, word] of special) {
    if ((mode & bit) !== 0) bits[at] = bits[at] === '-' ? word.toUpperCase() : word;
  }
  return letter + bits.join('');
}

/** A time with all its digits, `2026-11-28T16:00:00.123456789Z`. What no date can say is told as seconds. */
export function momentText({ seconds, nanoseconds }: Moment): string {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return `@${seconds}`;
  const fraction = nanoseconds === 0 ? '' : `.${String(nanoseconds).padStart(9, '0')}`;
  return `${date.toISOString().slice(0, -5)}${fraction}Z`;
}

const timeFacts = (moment: Moment | null): string | null => (moment === null ? null : momentText(moment));

/** A file as a line of JSON has it: bytes that are no text in hex. */
export function fileFacts({ file, target }: Described): Readonly<Record<string, unknown>> {
  return {
    ...file,
    rawPath: file.rawPath?.toString('hex') ?? null,
    modified: timeFacts(file.modified),
    accessed: timeFacts(file.accessed),
    changed: timeFacts(file.changed),
    created: timeFacts(file.created),
    ...(target === null ? {} : { target: target.toString() }),
  };
}
