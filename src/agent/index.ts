/**
 * agent/: what runs in the appliance: start-up, finding media and answers, the questions, the run.
 * Prints nothing itself: a Console is handed in. May import everything below cli and appliance.
 */
export { answersSchema, parseAnswers, type Answers } from './answers.ts';
export { runAgent, type Ending } from './agent.ts';
export { asTarget, fileAsTarget, unreserved, type Reservations } from './candidates.ts';
export {
  eventLine,
  type Choice,
  type Console,
  type ConsoleStages,
  type Facts,
  type Question,
  type StandingQuestion,
} from './console.ts';
export { hostMachine, type Machine, type TapeOfMachine } from './machine.ts';
export { openQuestions, requireAnswers } from './questions.ts';
export {
  applyRestore,
  checkPin,
  planRestore,
  type ApplyRequest,
  type Planned,
  type PlanRequest,
} from './restore-run.ts';
export { askingText } from './tape-operator.ts';
export type { AgentWorld } from './world.ts';
export { parseRule } from './kernel-line.ts';
