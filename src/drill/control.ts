import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { RemetalError } from '../errors/index.ts';

const messageSchema = z.looseObject({
  return: z.unknown().optional(),
  error: z.looseObject({ desc: z.string() }).optional(),
  event: z.string().optional(),
  data: z.record(z.string(), z.unknown()).optional(),
});
type Message = z.infer<typeof messageSchema>;

/** What QEMU told by itself: `RESET`, `SHUTDOWN`, … (QEMU documentation, "QMP protocol specification"). */
export type ControlEvent = (name: string, data: Readonly<Record<string, unknown>>) => void;

/** The control channel of an emulator: one JSON object a line. */
export interface ControlChannel {
  /** Gives one command and waits for its answer. Throws `program-failed`. */
  command(name: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>;
  close(): void;
}

const openAttempts = 200;
const betweenAttempts = 50;

async function connected(path: string): Promise<Socket> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await new Promise<Socket>((resolve, reject) => {
        const candidate = connect(path, () => resolve(candidate));
        candidate.once('error', reject);
      });
    } catch (cause) {
      if (attempt === openAttempts) {
        throw new RemetalError('program-failed', 'The emulator does not answer', { cause });
      }
      await delay(betweenAttempts);
    }
  }
}

/** Connects to the socket an emulator makes when it starts. Throws `program-failed`. */
export async function openControl(path: string, onEvent: ControlEvent): Promise<ControlChannel> {
  const socket = await connected(path);
  const waiting: ((answer: Message) => void)[] = [];
  let text = '';
  const lost = (): void => {
    for (const answer of waiting.splice(0)) answer({ error: { desc: 'the emulator has ended' } });
  };
  socket.setEncoding('utf8');
  socket.on('error', lost);
  socket.on('close', lost);
  socket.on('data', (piece: string) => {
    const lines = (text + piece).split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) {
      const message = messageSchema.parse(JSON.parse(line));
      if (message.event !== undefined) onEvent(message.event, message.data ?? {});
      // The greeting and events are no answers.
      if (message.return !== undefined || message.error !== undefined) waiting.shift()?.(message);
    }
  });
  const channel: ControlChannel = {
    async command(name, args) {
      const answer = await new Promise<Message>((resolve) => {
        waiting.push(resolve);
        if (socket.destroyed) return lost();
        socket.write(`${JSON.stringify(args ? { execute: name, arguments: args } : { execute: name })}\n`);
      });
      if (answer.error === undefined) return answer.return;
      throw new RemetalError('program-failed', `The emulator refused ${name}: ${answer.error.desc}`);
    },
    close: () => void socket.destroy(),
  };
  await channel.command('qmp_capabilities');
  return channel;
}
