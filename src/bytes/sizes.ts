import { RemetalError } from '../errors/index.ts';

const letters = ['', 'K', 'M', 'G', 'T', 'P', 'E'];

/**
 * Bytes from words as GNU tools read them: `4096`, `4G` and `4GiB` are powers of 1024, `4GB` powers
 * of 1000; a fraction is allowed (`1.5T`). Throws `usage` on anything else and beyond 2^53 - 1.
 */
export function parseSize(text: string): number {
  const found = /^\s*(\d+(?:\.\d+)?)\s*(?:([KMGTPE])(i?B)?|B)?\s*$/i.exec(text);
  const power = letters.indexOf((found?.[2] ?? '').toUpperCase());
  const base = (found?.[3] ?? '').toUpperCase() === 'B' ? 1000 : 1024;
  const bytes = found === null ? NaN : Math.round(Number(found[1]) * base ** power);
  if (!Number.isSafeInteger(bytes)) {
    throw new RemetalError('usage', `Size "${text}" is not understood.`, {
      hint: 'Write a number of bytes or one with a unit: 4096, 500G, 1.5TiB, 500GB.',
    });
  }
  return bytes;
}

/** Bytes in words: `0 B`, `512 B`, `1.5 GiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let power = 0;
  while (power < letters.length - 1 && (value >= 1024 || Number(value.toPrecision(3)) >= 1024)) {
    value /= 1024;
    power++;
  }
  return power === 0
    ? `${value} B`
    : `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${letters[power]}iB`;
}

/** Bytes a second in words: `103 MiB/s`; `-` where no time has passed. */
export function formatRate(bytes: number, seconds: number): string {
  return seconds > 0 ? `${formatBytes(Math.round(bytes / seconds))}/s` : '-';
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

/** A length of time in words: `0:07`, `12:05`, `3:20:00`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
