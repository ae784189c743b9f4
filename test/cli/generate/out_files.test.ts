import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode } from 'fast-png';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { plain } from '../../../src/cli/flags/args.ts';
import { OutFolder } from '../../../src/cli/generate/out_folder.ts';
import { Progress } from '../../../src/cli/generate/progress.ts';
import { makeStrip, stack, stripIterations } from '../../../src/cli/generate/strip.ts';
import { readTextFile } from '../../../src/cli/text_file.ts';
import { decodePng, encodePng, toPicture } from '../../../src/platform/node/png.ts';

let work = '';
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'reno-files-'));
});
afterEach(() => rmSync(work, { recursive: true, force: true }));

describe('OutFolder', () => {
  it('writes whole files, in folders too, and leaves nothing else', () => {
    const folder = new OutFolder(join(work, 'a/b'));
    folder.write('x.json', '{}');
    folder.write('sub/y.bin', Uint8Array.of(1, 2));
    folder.write('x.json', '{"again":1}');
    expect(readFileSync(join(work, 'a/b/x.json'), 'utf8')).toBe('{"again":1}');
    expect([...readFileSync(join(work, 'a/b/sub/y.bin'))]).toEqual([1, 2]);
    expect(readdirSync(join(work, 'a/b')).sort()).toEqual(['sub', 'x.json']);
  });

  it('takes away the folders it made when nothing came into them, and no others', () => {
    new OutFolder(join(work, 'a/b')).discardIfEmpty();
    expect(existsSync(join(work, 'a'))).toBe(false);
    new OutFolder(work).discardIfEmpty();
    expect(existsSync(work)).toBe(true);
    const used = new OutFolder(join(work, 'c/d'));
    used.write('x', 'x');
    used.discardIfEmpty();
    expect(existsSync(join(work, 'c/d/x'))).toBe(true);
  });

  it('says in one sentence that a file cannot be written', () => {
    const folder = new OutFolder(join(work, 'a'));
    folder.write('x', 'x');
    expect(() => folder.write('x/y', 'y')).toThrow(
      /^cannot write .*x.y: a (part of the path is a file|file of that name)/,
    );
    expect(readdirSync(join(work, 'a'))).toEqual(['x']);
  });
});

describe('the longest names', () => {
  it('can be written: the temporary name is no longer than the final one', () => {
    const folder = new OutFolder(join(work, 'a'));
    const longest = `${'猫'.repeat(83)}1.tiff`;
    folder.write(`samples/${longest}`, 'x');
    expect(readdirSync(join(work, 'a/samples'))).toEqual([longest]);
    expect(() => folder.write('x'.repeat(256), '')).toThrow(/: the name is too long for the file system$/);
  });
});

describe('readTextFile', () => {
  const read = (bytes: Uint8Array | string): string => {
    writeFileSync(join(work, 'list'), bytes);
    return readTextFile('the list', join(work, 'list'));
  };

  it('reads UTF-8 and UTF-16 without their byte order mark', () => {
    expect(read('\ufeffa café\r\n')).toBe('a café\r\n');
    const utf16 = Buffer.from('\ufeffa café', 'utf16le');
    expect(read(utf16)).toBe('a café');
    expect(read(utf16.swap16())).toBe('a café');
  });

  it('refuses other encodings, naming the file and the line', () => {
    expect(() => read(Buffer.from('a cat\na café\n', 'latin1'))).toThrow(
      /^the list .*list is not UTF-8 \(line 2 is not\); save it as UTF-8$/,
    );
    expect(() => read(Buffer.from('a cat', 'utf16le'))).toThrow(/byte 1 is 0, as in UTF-16 without its mark/);
    expect(() => read(Buffer.from([0xff, 0xfe, 0x00, 0xdc]))).toThrow('is not valid UTF-16');
  });

  it('refuses what is no file, and an empty one', () => {
    expect(() => readTextFile('the list', work)).toThrow(`cannot read the list ${work}: it is a folder, not a file`);
    expect(() => readTextFile('the list', join(work, 'none'))).toThrow('there is no such file');
    expect(() => read('\ufeff \n')).toThrow('is empty');
    expect(() => readTextFile('the list', join(work, 'list', 'x'))).toThrow('a part of the path is a file');
    if (process.platform === 'linux') {
      expect(() => readTextFile('the list', '/dev/zero')).toThrow('it is a pipe or a device, not a file');
    }
  });
});

describe('pictures', () => {
  it('become PNG with rounded and clamped values', () => {
    const png = decode(encodePng(toPicture(Float32Array.of(0, 0.5, 1, -1, 2, 0.25), 1, 2)));
    expect([png.width, png.height, png.channels, png.depth]).toEqual([2, 1, 3, 8]);
    expect([...png.data]).toEqual([0, 128, 255, 0, 255, 64]);
  });

  it('stand side by side in a strip, enlarged', () => {
    const flat = (v: number) => ({ height: 64, width: 32, data: new Uint8Array(64 * 32 * 3).fill(v) });
    const strip = makeStrip([flat(10), flat(20)]);
    expect([strip.width, strip.height]).toEqual([64 + 4 + 64, 128]);
    expect([...strip.data.subarray(0, 3), ...strip.data.subarray(64 * 3, 64 * 3 + 3)]).toEqual([
      10, 10, 10, 255, 255, 255,
    ]);
    expect(strip.data.at(-1)).toBe(20);
    expect(() => makeStrip([])).toThrow('at least one picture');
  });

  it('are read back, and strips stand under each other', () => {
    const picture = toPicture(Float32Array.of(0, 0.2, 0.4, 0.6, 0.8, 1), 1, 2);
    expect(decodePng(encodePng(picture))).toEqual(picture);
    const both = stack([picture, picture]);
    expect([both.width, both.height]).toEqual([2, 1 + 4 + 1]);
    expect([...both.data.subarray(0, 6), ...both.data.subarray(-6)]).toEqual([...picture.data, ...picture.data]);
    expect(both.data.subarray(6, -6).every((v) => v === 255)).toBe(true);
  });

  it('are chosen evenly, with both ends', () => {
    expect(stripIterations(50)).toEqual([0, 7, 14, 21, 28, 35, 42, 49]);
    expect(stripIterations(3)).toEqual([0, 1, 2]);
    expect(stripIterations(1)).toEqual([0]);
  });
});

describe('Progress', () => {
  const rewards = [{ name: 'HPS', weight: 5, offset: 1 }];
  const record = (iteration: number) => ({
    iteration,
    losses: { HPS: 0.75 },
    total: 1,
    regulariser: 0,
    norm: 1,
    seconds: (iteration + 1) * 2,
  });
  const show = (isTTY: boolean, iterations: readonly number[], total: number): string => {
    const written: string[] = [];
    const progress = new Progress({ isTTY, columns: 80, write: (text) => written.push(text) }, total, rewards);
    for (const i of iterations) {
      progress.update(record(i), i === 0);
    }
    progress.close(record(iterations.at(-1) ?? 0));
    return written.join('');
  };

  it('draws one line again and again on a terminal, never wider than it', () => {
    const text = show(true, [0, 1, 2, 3], 4);
    expect(text.split('\r')).toHaveLength(5);
    expect(text).toContain('█████░░░░░░░░░░░░░░░ 1/4  HPS 0.250  best 0  2.0 s so far');
    expect(text.endsWith('\n')).toBe(true);
    expect(show(true, [0, 1], 4).endsWith('\n')).toBe(true);
    for (const line of text.split('\r')) {
      expect(plain(line).trimEnd().length).toBeLessThan(80);
    }
  });

  it('shortens the bar, then leaves it out, before it cuts the numbers', () => {
    const narrow = (columns: number): string => {
      const written: string[] = [];
      new Progress({ isTTY: true, columns, write: (text) => written.push(text) }, 4, rewards).update(record(0), true);
      return plain(written.join('')).trim();
    };
    expect(narrow(44)).toBe('██░░░░ 1/4  HPS 0.250  best 0  2.0 s so far');
    expect(narrow(40)).toBe('1/4  HPS 0.250  best 0  2.0 s so far');
  });

  it('prints plain lines elsewhere', () => {
    const text = show(false, [...Array(12).keys()], 12);
    expect(text.split('\n')).toEqual([
      'iteration 1/12  HPS 0.250  best 0  2.0 s so far',
      'iteration 11/12  HPS 0.250  best 0  2.0 s left',
      'iteration 12/12  HPS 0.250  best 0  24.0 s in all',
      '',
    ]);
  });
});
