/** The package as a user gets it: packed, and installed in an empty folder outside the repository. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, resolve } from 'node:path';
// @ts-expect-error plain JavaScript, because it also runs before anything is installed
import { npm } from '../../tools/lib/packages.mjs';

export const ROOT = resolve(import.meta.dirname, '../..');
const EXAMPLES = join(ROOT, 'examples');

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program of Node to its end, without a shell. */
export function node(args: readonly string[], cwd: string): Promise<Ran> {
  return new Promise((done) => {
    execFile(process.execPath, args, { cwd, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      done({ code, stdout, stderr });
    });
  });
}

/** The program of an npm package of the repository, such as tsc. */
export const tool = (path: string): string => join(ROOT, 'node_modules', path);

/** @throws Error with npm's last line when it fails */
async function runNpm(args: readonly string[]): Promise<string> {
  const { code, output } = (await npm([...args, '--loglevel=error'])) as { code: number; output: string };
  if (code !== 0) {
    throw new Error(`npm ${args[0]} failed: ${output.trim()}`);
  }
  return output;
}

export interface PackedFile {
  readonly path: string;
  readonly size: number;
}

export interface Packed {
  readonly tarball: string;
  /** Bytes of the archive. */
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly PackedFile[];
}

/** `npm pack`, which builds first. */
export async function pack(folder: string): Promise<Packed> {
  const printed = await runNpm(['pack', '--json', '--pack-destination', folder]);
  // The build may print before the JSON does.
  const [found] = JSON.parse(printed.slice(printed.indexOf('[\n'))) as [Omit<Packed, 'tarball'> & { filename: string }];
  return { ...found, tarball: join(folder, found.filename) };
}

/** A folder outside the repository with the package installed, as a user makes one. */
export class UserFolder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** @throws Error when npm cannot install the archive or what it depends on */
  static async install(tarball: string): Promise<UserFolder> {
    const folder = new UserFolder(mkdtempSync(join(tmpdir(), 'reno-user-')));
    folder.write('package.json', JSON.stringify({ name: 'user', private: true, type: 'module' }));
    await runNpm(['install', tarball, '--prefix', folder.path, '--prefer-offline', '--no-audit', '--no-fund']);
    return folder;
  }

  write(path: string, text: string): void {
    mkdirSync(join(this.path, path, '..'), { recursive: true });
    writeFileSync(join(this.path, path), text);
  }

  /** Copies an example's file, or a folder of them, to `to`. */
  example(from: string, to = from): void {
    cpSync(join(EXAMPLES, from), join(this.path, to), { recursive: true });
  }

  read(path: string): string {
    return readFileSync(join(this.path, path), 'utf8');
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Every file of the examples, relative to their folder. */
export function exampleFiles(): string[] {
  const paths = readdirSync(EXAMPLES, { recursive: true, encoding: 'utf8' });
  const files = paths.filter((path) => statSync(join(EXAMPLES, path)).isFile());
  return files.map((path) => path.replaceAll('\\', '/')).sort();
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.json': 'application/json',
};

/** Serves a folder to this machine only, as a plain static server does. */
export async function serve(folder: string): Promise<{ readonly url: string; close(): void }> {
  const server = createServer((request, response) => {
    const path = join(folder, new URL(request.url ?? '/', 'http://localhost').pathname);
    try {
      const bytes = readFileSync(path);
      response.writeHead(200, { 'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream' });
      response.end(request.method === 'HEAD' ? undefined : bytes);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
}
