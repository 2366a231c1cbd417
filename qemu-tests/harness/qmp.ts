import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';

const messageSchema = z.looseObject({
  return: z.unknown().optional(),
  error: z.looseObject({ desc: z.string() }).optional(),
  event: z.string().optional(),
  data: z.record(z.string(), z.unknown()).optional(),
});
type Answer = Pick<z.infer<typeof messageSchema>, 'error'>;

type EventListener = (name: string, data: Readonly<Record<string, unknown>>, channel: QmpChannel) => void;

/** QEMU's control channel: one JSON object a line (QEMU documentation, "QMP protocol specification"). */
export class QmpChannel {
  readonly #socket: Socket;
  #waiting: ((answer: Answer) => void)[] = [];
  #text = '';
  readonly #onEvent: EventListener;

  private constructor(socket: Socket, onEvent: EventListener) {
    this.#onEvent = onEvent;
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#take(text));
    const lost = (): void => {
      for (const answer of this.#waiting.splice(0)) answer({ error: { desc: 'QEMU has ended' } });
    };
    socket.on('error', lost);
    socket.on('close', lost);
  }

  /** Connects to the socket QEMU makes when it starts; `onEvent` hears what QEMU tells by itself. */
  static async open(path: string, onEvent: EventListener): Promise<QmpChannel> {
    for (let attempt = 0; ; attempt++) {
      try {
        const socket = await new Promise<Socket>((resolve, reject) => {
          const candidate = connect(path, () => resolve(candidate));
          candidate.once('error', reject);
        });
        const channel = new QmpChannel(socket, onEvent);
        await channel.command('qmp_capabilities');
        return channel;
      } catch (error) {
        if (attempt >= 100) throw error;
        await delay(100);
      }
    }
  }

  #take(text: string): void {
    const lines = (this.#text + text).split('\n');
    this.#text = lines.pop() ?? '';
    for (const line of lines) {
      const message = messageSchema.parse(JSON.parse(line));
      if (message.event !== undefined) this.#onEvent(message.event, message.data ?? {}, this);
      // The greeting and events are no answers.
      if (message.return !== undefined || message.error !== undefined) this.#waiting.shift()?.(message);
    }
  }

  /** Gives one command and waits for its answer. */
  async command(execute: string, args?: Readonly<Record<string, unknown>>): Promise<void> {
    const answer = await new Promise<Answer>((resolve) => {
      this.#waiting.push(resolve);
      this.#socket.write(`${JSON.stringify(args ? { execute, arguments: args } : { execute })}\n`);
    });
    if (answer.error) throw new Error(`QEMU refused ${execute}: ${answer.error.desc}`);
  }

  close(): void {
    this.#socket.destroy();
  }
}
