/**
 * drill/: the proof that a set brings its machine back: its disks as a machine sees them, a virtual machine that
 * starts from them, and the verdict. Imports mount, restore, archive, layout, filesystem, disk, system and
 * what is below; not backup, appliance or agent.
 */
export { diskViews, type DiskView, type DiskViewOptions } from './disk-view.ts';
export { drillsOf, keepProof, lastDrill, type DrillProof, type KeptProof } from './proofs.ts';
export { controllers, type Accelerator, type Controller, type DrillFirmware } from './hardware.ts';
export { drillImage, type ImageDrillRequest } from './image-drill.ts';
export { starts, usableAccelerator, type AcceleratorChoice } from './accelerator.ts';
export { parseProbe, type Probe } from './probe.ts';
export type { DrillOutcome, DrillRequest } from './request.ts';
export { drillRestore, type RestoreDrillRequest } from './restore-drill.ts';
export { setFiles } from './set-files.ts';
