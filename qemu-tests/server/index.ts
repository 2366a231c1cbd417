/**
 * The server under test: a Debian machine made from packages, and what it says of itself when it is
 * booted. Imports only ../harness.
 */
export { incompressible, incompressiblePath } from './incompressible.ts';
export { originalDrive, originalServer, type Original } from './original.ts';
export { readToken, readUp, tokenReportSchema, type TokenReport, type UpReport } from './report.ts';
export { deletedMarker, serverBytes, uuids } from './shape.ts';
