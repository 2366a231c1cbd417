import type { Choice, Console, Facts, Machine, TapeOfMachine } from '../../src/agent/index.ts';
import { identityOf, type Disk } from '../../src/disk/index.ts';
import type { HostFileSystem } from '../../src/system/index.ts';

/** A console whose person answers by script; what is asked that the script does not know fails the test. */
export interface FakeConsole extends Console {
  readonly events: { readonly name: string; readonly facts: Facts }[];
  readonly said: string[];
  /** The names of the events, progress left out. */
  names(): string[];
  fact(event: string, key: string): unknown;
}

/** Answers by question id: for a choice a piece of its label, for text the text itself. */
export type Script = Readonly<Record<string, string | string[]>>;

export function fakeConsole(script: Script = {}): FakeConsole {
  const events: { name: string; facts: Facts }[] = [];
  const said: string[] = [];
  const left = new Map(Object.entries(script).map(([id, answer]) => [id, [answer].flat()]));
  const next = (id: string): string => {
    events.push({ name: 'question', facts: { id } });
    const answer = left.get(id)?.shift();
    if (answer === undefined) throw new Error(`nobody answers ${id}`);
    return answer;
  };
  const pick = <T>(id: string, choices: readonly Choice<T>[]): T => {
    const wanted = next(id);
    const found = choices.find(({ label }) => label.includes(wanted));
    if (found === undefined || found.disabled !== undefined) {
      throw new Error(`${id}: ${wanted} is not to be had: ${JSON.stringify(choices)}`);
    }
    return found.value;
  };
  return {
    events,
    said,
    names: () => events.map(({ name }) => name.split(' ')[0]!).filter((name) => name !== 'progress'),
    fact: (event, key) => events.findLast(({ name }) => name.split(' ')[0] === event)?.facts[key],
    unattended: () => {},
    event: (name, facts) => void events.push({ name, facts }),
    say: (text) => void said.push(text),
    choose: async (question, choices) => pick(question.id, choices),
    chooseSeveral: async (question, choices) => [pick(question.id, choices)],
    typed: async (question, word) => next(question.id) === word,
    line: async (question) => next(question.id),
    pause: async () => false,
    stand: ({ id, message }) => {
      events.push({ name: 'question', facts: { id } });
      said.push(message);
      const answer = left.get(id)?.shift();
      return {
        answer: answer === undefined ? new Promise(() => {}) : Promise.resolve(standingAnswer(answer)),
        ring: () => {},
        close: () => void events.push({ name: 'closed', facts: { id } }),
      };
    },
    stages: () => ({
      reporter: {
        progress: ({ phase }) => void events.push({ name: 'progress', facts: { phase } }),
        notice: ({ code }) => void events.push({ name: 'notice', facts: { code } }),
      },
      end: async () => {},
    }),
    shell: async () => void events.push({ name: 'shell', facts: {} }),
    close: () => {},
  };
}

function standingAnswer(answer: string): 'go-on' | 'give-up' {
  return answer === 'q' ? 'give-up' : 'go-on';
}

/** A file system of a fake machine, and the folder its mount shows. */
export interface FakeMedium extends HostFileSystem {
  readonly folder: string;
}

export interface FakeMachine extends Machine {
  word: string | null;
  readonly mounts: string[];
}

export interface FakeMachineParts {
  readonly kernelLine?: string;
  readonly answers?: string;
  /** Image files that play the disks. */
  readonly disks?: readonly string[];
  readonly media?: readonly FakeMedium[];
  readonly tapes?: readonly TapeOfMachine[];
}

/** A machine of image files and folders; its clock runs as fast as it is waited for. */
export function fakeMachine(parts: FakeMachineParts): FakeMachine {
  let time = 0;
  const mounts: string[] = [];
  const machine: FakeMachine = {
    word: null,
    mounts,
    kernelLine: async () => parts.kernelLine ?? '',
    bakedAnswers: async () => parts.answers ?? null,
    facts: async () => ({ hostname: 'x', firmware: 'bios', vendor: null, product: null, serial: 'M1' }),
    secureBoot: async () => null,
    disks: () => Promise.all((parts.disks ?? []).map(fakeDisk)),
    fileSystems: async () => [...(parts.media ?? [])],
    tapes: async () => [...(parts.tapes ?? [])],
    changers: async () => [],
    async mount(found, write) {
      mounts.push(`${found.device} ${write ? 'rw' : 'ro'}`);
      return (parts.media ?? []).find(({ device }) => device === found.device)!.folder;
    },
    unmount: async (found) => void mounts.push(`${found.device} off`),
    clock: () => time,
    now: () => new Date(),
    async wait(milliseconds, signal) {
      signal.throwIfAborted();
      time += milliseconds;
    },
    async leaveWord(next) {
      machine.word = next;
    },
  };
  return machine;
}

async function fakeDisk(path: string): Promise<Disk> {
  return {
    name: path,
    identity: await identityOf(path),
    paths: [path],
    partitions: [],
    holders: [],
    use: [],
    readOnly: false,
  };
}

/** A USB disk of a fake machine. */
export function fakeMedium(folder: string, label = 'BACKUP'): FakeMedium {
  return { device: '/dev/fake1', disk: '/dev/fake', type: 'ext4', label, uuid: 'U-1', folder };
}
