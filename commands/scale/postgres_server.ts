/** A Postgres of its own for a test: on loopback, with its files in a temporary folder, started and stopped here. */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { freePort } from './loopback.ts';
import { ServerProcess } from './server_process.ts';

/** Debian's place for the programs of each version. */
const DEBIAN = '/usr/lib/postgresql';
const MISSING = 'Postgres is not here; on Debian and Ubuntu: apt-get install postgresql';

export class PostgresServer {
  readonly url: string;
  readonly #port: number;
  readonly #folder: string;
  /** Postgres refuses to run as root, so that another user's numbers are taken then. */
  readonly #user: { readonly uid?: number; readonly gid?: number };
  readonly #process = new ServerProcess();

  private constructor(port: number, folder: string) {
    this.#port = port;
    this.#folder = folder;
    this.#user = process.getuid?.() === 0 ? { uid: idOf('-u'), gid: idOf('-g') } : {};
    this.url = `postgres://reno@127.0.0.1:${port}/postgres`;
  }

  /** @param folder an empty folder for its files @throws Error, one sentence, where there is no Postgres */
  static async start(folder: string): Promise<PostgresServer> {
    const server = new PostgresServer(await freePort(), folder);
    server.#make();
    await server.start();
    return server;
  }

  #make(): void {
    if (this.#user.uid !== undefined) {
      chmodSync(dirname(this.#folder), 0o755);
      chownSync(this.#folder, this.#user.uid, this.#user.gid ?? 0);
    }
    const words = ['-D', this.#folder, '-U', 'reno', '--auth=trust', '--encoding=UTF8', '--locale=C'];
    execFileSync(program('initdb'), words, { ...this.#user, cwd: this.#folder, stdio: 'ignore' });
  }

  /** Starts it, or starts it again with what its log of changes holds. */
  async start(): Promise<void> {
    const flags = ['-D', this.#folder, '-h', '127.0.0.1', '-p', String(this.#port), '-k', this.#folder];
    const child = spawn(program('postgres'), [...flags, '-c', 'max_connections=50'], {
      ...this.#user,
      cwd: this.#folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    await this.#process.started(child, {
      name: 'postgres',
      output: child.stderr,
      ready: 'ready to accept connections',
      missing: MISSING,
    });
  }

  /** Ends it at once, without saving: SIGQUIT, as SIGKILL would leave its children and their shared memory. */
  kill(): Promise<void> {
    return this.#process.end('SIGQUIT');
  }
}

function program(name: string): string {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : [];
  const path = versions.map((version) => join(DEBIAN, version, 'bin', name)).find((file) => existsSync(file));
  if (path === undefined) {
    throw new Error(MISSING);
  }
  return path;
}

function idOf(flag: '-u' | '-g'): number {
  return Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
}
