/**
 * What the scenarios have in common: running the product as a user does, starting the appliance,
 * reading the agent's lines, holding a restored server to the original. Imports ../harness and
 * ../server.
 */
export { agentLines, nextAgentLine, parseAgentLine, type AgentLine } from './agent-lines.ts';
export { tokenDifference } from './difference.ts';
export {
  agentFinished,
  bootMedium,
  mediumLabel,
  newDisk,
  newDiskBytes,
  proveRestored,
  startRestored,
  targetDrive,
  usbMedium,
  withAppliance,
  type ApplianceRun,
} from './machines.ts';
export { appliance, hostSet, remetal, remetalOk } from './product.ts';
export { must, type Rig, type Scenario } from './rig.ts';
export { agentInShell, inShell, mustFinish, startAgentInShell, type AgentRun } from './shell.ts';
export { backUpOntoTape, cartridgeMebibytes, restoreFromTape } from './tape.ts';
