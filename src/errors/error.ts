import type { ErrorCode } from './codes.ts';

/** What a coded error carries beside its message. */
export interface ErrorDetails {
  /** One sentence that says what the person can do about it. */
  readonly hint?: string;
  /** The facts behind the message: paths, sizes, ordinals. Plain JSON values, never a secret. */
  readonly facts?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/**
 * The base of every error a user can meet. The code is stable and listed in `codes.ts`, which also
 * gives its exit status; the message is one plain sentence that names the subject first.
 */
export class RemetalError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
    this.facts = details.facts ?? {};
  }

  override get name(): string {
    return 'RemetalError';
  }
}

/** True when `error` is a coded error, and with `codes` given, one of those. */
export function isCoded(error: unknown, ...codes: ErrorCode[]): error is RemetalError {
  return error instanceof RemetalError && (codes.length === 0 || codes.includes(error.code));
}
