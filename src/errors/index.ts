/**
 * errors/: the one error class and the table of its codes. Imports nothing.
 */
export { codes, exitStatuses, exitStatusOf, type ErrorCode, type ExitName } from './codes.ts';
export { RemetalError, isCoded, type ErrorDetails } from './error.ts';
export { systemCode } from './system-code.ts';
