/**
 * A guest that is nothing but a kernel and its tape drives, and runs a program of this checkout on them. For
 * what has to meet the real driver and needs no appliance. Imports ../harness, and of src/ only what fetches
 * and packs kernels.
 */
export { inTapeGuest, type TapeGuest } from './guest.ts';
export { applianceIngredients, applianceKernel, backportsKernel, type GuestKernel } from './kernels.ts';
