/** ModelFiles from a disk and over HTTP give the same bytes, and name the file when they cannot. */
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ModelFiles, subfolder } from '../../../src/models/checkpoint/files.ts';
import { httpFiles } from '../../../src/platform/http_files.ts';
import { nodeFiles } from '../../../src/platform/node/node_files.ts';

const BYTES = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);
let folder: string;
let ranged: Server;
let plain: Server;

/** Serves BYTES at /m/a/data.bin and a text at /m/a/text.txt, with or without ranges. */
function serve(ranges: boolean): Promise<Server> {
  const server = createServer((request, response) => {
    const body = request.url === '/m/a/data.bin' ? BYTES : request.url === '/m/a/text.txt' ? 'ünïcode' : null;
    const range = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '');
    if (body === null) {
      response.writeHead(404).end();
    } else if (ranges && range && typeof body !== 'string') {
      const [start, end] = [Number(range[1]), Number(range[2])];
      response.writeHead(206, { 'Content-Range': `bytes ${start}-${end}/${body.length}` });
      response.end(body.subarray(start, end + 1));
    } else {
      response.writeHead(200).end(body);
    }
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}

function url(server: Server): string {
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/m`;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'files-'));
  await mkdir(join(folder, 'a'));
  await writeFile(join(folder, 'a/data.bin'), BYTES);
  await writeFile(join(folder, 'a/text.txt'), 'ünïcode');
  ranged = await serve(true);
  plain = await serve(false);
});
afterAll(async () => {
  ranged.close();
  plain.close();
  await rm(folder, { recursive: true });
});

const sources: Record<string, () => ModelFiles> = {
  'a folder': () => nodeFiles(folder),
  'a server with ranges': () => httpFiles(`${url(ranged)}/`, 999),
  'a server with ranges, a small file': () => httpFiles(`${url(ranged)}/`),
  'a server without ranges': () => httpFiles(url(plain)),
};

describe.each(Object.entries(sources))('%s', (_, make) => {
  it('reads by range', async () => {
    const source = await subfolder(make(), 'a').read('data.bin');
    expect(source.size).toBe(1000);
    expect(await source.read(0, 8)).toEqual(BYTES.slice(0, 8));
    expect(await source.read(990, 10)).toEqual(BYTES.slice(990));
  });

  it('does not give less than was asked for', async () => {
    const source = await make().read('a/data.bin');
    await expect(source.read(995, 10)).rejects.toThrow('data.bin');
  });

  it('reads text, and knows what is there', async () => {
    const files = make();
    expect(await files.readText('a/text.txt')).toBe('ünïcode');
    expect([await files.has('a/text.txt'), await files.has('a/gone.txt')]).toEqual([true, false]);
  });

  it('names a file that is not there', async () => {
    await expect(make().read('a/gone.bin')).rejects.toThrow('a/gone.bin');
    await expect(make().readText('a/gone.txt')).rejects.toThrow('a/gone.txt');
  });
});

it('a server that is not there is named', async () => {
  await expect(httpFiles('http://127.0.0.1:1').read('x.bin')).rejects.toThrow('http://127.0.0.1:1/x.bin: cannot be');
});

describe('a text that is not one', () => {
  const large = 10_000_001;

  it('of a folder is refused by name, and not waited for', async () => {
    await writeFile(join(folder, 'a/large.json'), new Uint8Array(large));
    await writeFile(join(folder, 'a/latin.json'), Uint8Array.of(0x7b, 0xe9, 0x7d));
    const read = (path: string) => nodeFiles(folder).readText(path);
    await expect(read('a/large.json')).rejects.toThrow(/large\.json: cannot be read \(it has 10000001 bytes or more/);
    await expect(read('a/latin.json')).rejects.toThrow(/latin\.json: is not text in UTF-8; save it as UTF-8$/);
    await expect(read('a')).rejects.toThrow(/a: cannot be read \(it is a folder\)$/);
    if (process.platform !== 'win32') {
      expect(spawnSync('mkfifo', [join(folder, 'a/fifo.json')]).status).toBe(0);
      await expect(read('a/fifo.json')).rejects.toThrow(/fifo\.json: cannot be read \(it is a pipe or a device\)$/);
      await expect(nodeFiles('/dev').readText('zero')).rejects.toThrow('/dev/zero: cannot be read (it is a pipe');
    }
  });

  it('of a server that never stops ends', async () => {
    const server = createServer((_, response) => {
      const more = (): void => {
        while (response.write(new Uint8Array(1 << 20)) && !response.destroyed) {}
      };
      response.on('drain', more);
      more();
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    await expect(httpFiles(url(server)).readText('config.json')).rejects.toThrow(
      /config\.json: cannot be fetched \(it has \d+ bytes or more, and at most 10000000 of a text are read\)$/,
    );
    server.closeAllConnections();
    server.close();
  });
});
