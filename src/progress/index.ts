/**
 * progress/: how long operations report what they do. Pure; imports bytes and errors only.
 */
export { silent, type BufferReport, type Notice, type Progress, type Reporter } from './progress.ts';
export { createRateMeter, type Rate, type RateMeter } from './rate.ts';
