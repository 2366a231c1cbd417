import { InvalidArgumentError } from 'commander';

/** A pattern of names or paths, as `--find` takes it. */
export interface NamePattern {
  /** The pattern as it was written. */
  readonly text: string;
  /** Whether a path, beginning with `/`, answers it. */
  matches(path: string, ignoreCase: boolean): boolean;
}

const special = /[\\^$.*+?()[\]{}|]/g;

/**
 * An option that is a pattern: `*` is any text, `?` any character, `[a-z]` and `[!a-z]` one of a range or none of it.
 * One with a slash is compared with the whole path and its `*` stops at slashes, `**` does not; any other is compared with
 * the name alone.
 */
export function namePattern(text: string): NamePattern {
  const onPath = text.includes('/');
  const source = regularExpression(onPath ? text.replace(/^\/?/, '/') : text);
  const make = (flags: string): RegExp => {
    try {
      return new RegExp(`^${source}$`, flags);
    } catch {
      throw new InvalidArgumentError('Its brackets hold no range of characters.');
    }
  };
  const [exact, folded] = [make('us'), make('usi')];
  return {
    text,
    matches(path, ignoreCase) {
      const compared = onPath ? path : path.slice(path.lastIndexOf('/') + 1);
      return (ignoreCase ? folded : exact).test(compared);
    },
  };
}

/** An option of that kind that may be given several times. */
export function namePatterns(text: string, before: readonly NamePattern[] | undefined): NamePattern[] {
  return [...(before ?? []), namePattern(text)];
}

function regularExpression(text: string): string {
  let out = '';
  for (let at = 0; at < text.length; at++) {
    const [bracket, negated, range] = /^\[(!?)(\]?[^\]]*)\]/.exec(text.slice(at)) ?? [];
    if (bracket !== undefined && range !== undefined && range !== '') {
      out += `[${negated === '!' ? '^' : ''}${range.replaceAll(/[\\[\]^]/g, String.raw`\$&`)}]`;
      at += bracket.length - 1;
    } else if (text.startsWith('**/', at)) {
      out += '(?:.*/)?';
      at += 2;
    } else if (text.startsWith('**', at)) {
      out += '.*';
      at++;
    } else if (text[at] === '*') out += '[^/]*';
    else if (text[at] === '?') out += '[^/]';
    else out += (text[at] ?? '').replace(special, String.raw`\$&`);
  }
  return out;
}
