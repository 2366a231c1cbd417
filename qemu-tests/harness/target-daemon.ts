import { spawn, type ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';

/** The daemon's one target. */
export const targetNumber = 1;

/** What tgtd logs when somebody else has its port. */
const portTaken = 'failed to create/bind';

/* Asks the kernel for a port nobody listens on. Somebody else may be quicker to take it, and tgtd says so. */
async function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const server = createServer();
  server.once('error', reject);
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
  });
  return await promise;
}

/* The daemon and its administration find each other by this; the default is the system's own daemon. */
function surroundings(folder: string): Record<string, string> {
  return { TGT_IPC_SOCKET: join(folder, 'control') };
}

const running = new Set<() => void>();
// A run that is broken off leaves no daemon behind. The machines, registered before, are gone by then.
process.once('exit', () => {
  for (const kill of running) kill();
});

/** Linux's SCSI target daemon (tgtd) with a control socket and a port of its own, apart from the system's. */
export class TargetDaemon {
  readonly port: number;
  readonly #folder: string;
  readonly #kill: () => void;
  readonly #exited: Promise<void>;

  private constructor(folder: string, port: number, daemon: ChildProcess) {
    this.#folder = folder;
    this.port = port;
    this.#kill = (): void => void daemon.kill('SIGKILL');
    running.add(this.#kill);
    this.#exited = new Promise((resolve) => {
      daemon.once('exit', () => resolve());
      // There is none when the program could not be started.
      daemon.once('error', () => resolve());
    });
  }

  /** Starts it with its control socket in `folder`, at most 80 characters long; `hear` gets what it logs. */
  static async start(folder: string, hear: (log: string) => void): Promise<TargetDaemon> {
    if (folder.length > 80) throw new Error(`${folder} is too long a name for tgtd.`);
    for (let attempt = 1; ; attempt++) {
      try {
        return await TargetDaemon.#startAt(await freePort(), folder, hear);
      } catch (error) {
        if (attempt === 3 || !String(error).includes(portTaken)) throw error;
      }
    }
  }

  static async #startAt(port: number, folder: string, hear: (log: string) => void): Promise<TargetDaemon> {
    const child = spawn('tgtd', ['-f', '-C', '0', '--iscsi', `portal=127.0.0.1:${port}`], {
      env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin`, ...surroundings(folder) },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const complaints: string[] = [];
    child.once('error', (error) => complaints.push(error.message));
    child.once('exit', (status, signal) => complaints.push(`ended (${signal ?? status})`));
    child.stderr.setEncoding('utf8').on('data', (log: string) => {
      if (log.includes(portTaken)) complaints.push(log);
      hear(log);
    });
    const daemon = new TargetDaemon(folder, port, child);
    for (let attempt = 0; ; attempt++) {
      try {
        await daemon.order('target', 'show');
        if (complaints.length === 0) return daemon;
      } catch (error) {
        if (complaints.length === 0 && attempt >= 100) complaints.push(String(error));
      }
      if (complaints.length > 0) {
        await daemon.close();
        throw new Error(`tgtd did not start: ${complaints.join(' ')}`);
      }
      await delay(50);
    }
  }

  /** Gives it one order by tgtadm(8) and returns what that printed. */
  async order(
    mode: 'target' | 'logicalunit',
    operation: string,
    ...rest: readonly string[]
  ): Promise<string> {
    const about = operation === 'show' ? [] : ['--tid', `${targetNumber}`];
    const words = ['-C', '0', '--lld', 'iscsi', '--mode', mode, '--op', operation, ...about, ...rest];
    const { stdout } = await execa('tgtadm', words, {
      stdin: 'ignore',
      env: { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin`, ...surroundings(this.#folder) },
    });
    return stdout;
  }

  /** Sets parameters of a unit. */
  async update(lun: number, parameters: string): Promise<void> {
    await this.order('logicalunit', 'update', '--lun', `${lun}`, '--params', parameters);
  }

  async close(): Promise<void> {
    // It takes no other signal while it has targets.
    this.#kill();
    await this.#exited;
    running.delete(this.#kill);
  }
}
