/** A Redis of its own for a test: on loopback, with an append-only file in a temporary folder, started and stopped here. */
import { type ChildProcess, spawn } from 'node:child_process';
import { freePort } from './loopback.ts';

export class RedisServer {
  readonly url: string;
  readonly #port: number;
  readonly #folder: string;
  #process: ChildProcess | null = null;

  private constructor(port: number, folder: string) {
    this.#port = port;
    this.#folder = folder;
    this.url = `redis://127.0.0.1:${port}`;
  }

  /** @param folder an empty folder for its files @throws Error, one sentence, where there is no redis-server */
  static async start(folder: string): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), folder);
    await server.start();
    return server;
  }

  /** Starts it, or starts it again with what its append-only file holds. */
  async start(): Promise<void> {
    const flags = {
      port: String(this.#port),
      bind: '127.0.0.1',
      dir: this.#folder,
      appendonly: 'yes',
      appendfsync: 'always',
      save: '',
      'maxmemory-policy': 'noeviction',
    };
    const child = spawn(
      'redis-server',
      Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]),
      {
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    this.#process = child;
    process.once('exit', () => child.kill('SIGKILL'));
    await new Promise<void>((resolve, reject) => {
      child.stdout.on('data', (text: Buffer) => {
        if (text.includes('Ready to accept connections')) {
          resolve();
        }
      });
      child.on('error', () =>
        reject(new Error('redis-server is not here; on Debian and Ubuntu: apt-get install redis-server')),
      );
      child.on('exit', (code) => reject(new Error(`redis-server ended with code ${code} before it was ready`)));
    });
  }

  /** Ends it as a power failure would. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child && child.exitCode === null) {
      const gone = new Promise((resolve) => child.on('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    }
  }
}
