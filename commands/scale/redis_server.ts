/** A Redis of its own for a test: on loopback, with an append-only file in a temporary folder, started and stopped here. */
import { spawn } from 'node:child_process';
import { freePort } from './loopback.ts';
import { ServerProcess } from './server_process.ts';

export class RedisServer {
  readonly url: string;
  readonly #port: number;
  readonly #folder: string;
  readonly #process = new ServerProcess();

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
    await this.#process.started(child, {
      name: 'redis-server',
      output: child.stdout,
      ready: 'Ready to accept connections',
      missing: 'redis-server is not here; on Debian and Ubuntu: apt-get install redis-server',
    });
  }

  /** Ends it as a power failure would. */
  kill(): Promise<void> {
    return this.#process.end('SIGKILL');
  }
}
