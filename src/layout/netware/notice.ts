/**
 * Something about NetWare disks that a person should know and that does not stop the work. The same
 * shape as the notices of partition tables.
 */
export interface NetwareNotice {
  readonly level: 'info' | 'warning';
  readonly code:
    | 'netware-copies-tied'
    | 'netware-copy-damaged'
    | 'netware-lost-sectors'
    | 'netware-mirror'
    | 'netware-not-netware'
    | 'netware-redirections'
    | 'netware-segments'
    | 'netware-stamp'
    | 'netware-table-place';
  readonly message: string;
  readonly facts?: Readonly<Record<string, unknown>>;
}

/** A warning. */
export function warning(
  code: NetwareNotice['code'],
  message: string,
  facts: Readonly<Record<string, unknown>> = {},
): NetwareNotice {
  return { level: 'warning', code, message, facts };
}

/** A word that asks for nothing. */
export function remark(
  code: NetwareNotice['code'],
  message: string,
  facts: Readonly<Record<string, unknown>> = {},
): NetwareNotice {
  return { level: 'info', code, message, facts };
}
