import { z } from 'zod';
import { isCoded, RemetalError } from '../errors/index.ts';

const schemes = ['label', 'uuid', 'serial', 'iso', 'tape'] as const;
type Scheme = (typeof schemes)[number];

/**
 * A place on a medium, named by what stays the same whatever the kernel calls the disk:
 * `label:BACKUP/web1`, `uuid:…/web1`, `serial:…/web1`, `iso:/web1`, `tape:` with a drive's serial or `any`, `any`.
 */
export interface Place {
  readonly by: 'any' | Scheme;
  /** The label, UUID or serial; empty for `iso` and `any`, `any` for every tape drive. */
  readonly value: string;
  /** Folder or file on it, without a leading slash; null where none was named. */
  readonly path: string | null;
}

/** Reads a place. Throws `answers-invalid`. */
export function parsePlace(text: string): Place {
  if (text === 'any') return { by: 'any', value: '', path: null };
  const match = /^([a-z]+):([^/]*)(?:\/(.*))?$/s.exec(text);
  const by = schemes.find((scheme) => scheme === match?.[1]);
  if (match === null || by === undefined)
    throw invalid(text, 'begins with label:, uuid:, serial:, iso: or tape:, or is any');
  const value = match[2]!;
  const path = (match[3] ?? '').replace(/\/+$/, '');
  if (by === 'iso' && value !== '') throw invalid(text, 'has a slash after iso:');
  if (by === 'tape' && path !== '') throw invalid(text, 'has no folder after the serial of a tape drive');
  if (by !== 'iso' && value === '') throw invalid(text, `has a name after ${by}:`);
  if (path.includes('\0') || path.split('/').some((part) => part === '..' || part === '.')) {
    throw invalid(text, 'goes down from the top of the medium only');
  }
  return { by, value, path: path === '' ? null : path };
}

/** The text `parsePlace` reads. */
export function placeText(place: Place): string {
  if (place.by === 'any') return 'any';
  return `${place.by}:${place.value}${place.path === null ? '' : `/${place.path}`}`;
}

/** A place inside a zod schema; the value stays text. */
export const placeSchema = z.string().superRefine((text, context) => {
  try {
    parsePlace(text);
  } catch (error) {
    if (!isCoded(error)) throw error;
    context.addIssue({ code: 'custom', message: error.message });
  }
});

function invalid(text: string, rule: string): RemetalError {
  return new RemetalError(
    'answers-invalid',
    `The place ${JSON.stringify(text)} is not understood: one ${rule}.`,
    {
      hint: 'Write for example label:BACKUP/web1.',
      facts: { place: text },
    },
  );
}
