/**
 * drill/: the proof that a set brings its machine back: its disks as a machine sees them, a virtual machine that
 * starts from them, and the verdict. Imports mount, restore, archive, layout, filesystem, disk, system and
 * what is below; not backup, appliance or agent.
 */
export { diskViews, type DiskView, type DiskViewOptions } from './disk-view.ts';
export { drillsOf, keepProof, lastDrill, type DrillProof, type KeptProof } from './proofs.ts';
