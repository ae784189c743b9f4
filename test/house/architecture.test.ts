/** The linter enforces the layers (biome.json); this checks that its rules bite, by giving it files that break them. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

interface Sample {
  readonly path: string;
  readonly code: string;
  /** The rule it breaks; null: none. */
  readonly rule: string | null;
}

const LAYERS = ['tensor', 'kernels', 'models', 'reno', 'platform', 'cli', 'web'];
const CORE = LAYERS.slice(0, 4);
const importing = (from: string): string => `import { x } from '${from}';\nexport const y = x;\n`;
const using = (expression: string): string => `export const y = ${expression};\n`;

function samples(): Sample[] {
  const found: Sample[] = [];
  const add = (layer: string, code: string, rule: string | null, folder = ''): void => {
    found.push({ path: `src/${layer}/${folder}sample_${found.length}.ts`, code, rule });
  };
  CORE.forEach((layer, i) => {
    LAYERS.forEach((other, j) => {
      if (i !== j) {
        add(layer, importing(`../${other}/b.ts`), j < i ? null : 'noRestrictedImports');
        add(layer, importing(`../../${other}/b.ts`), j < i ? null : 'noRestrictedImports', 'common/');
      }
    });
    add(layer, importing('node:fs'), 'noNodejsModules');
    add(layer, importing('webgpu'), 'noRestrictedImports');
    for (const name of [
      'process.env',
      'Buffer.alloc(1)',
      'document.title',
      'window.name',
      'navigator.gpu',
      'fetch("/")',
    ]) {
      add(layer, using(name), 'noRestrictedGlobals');
    }
    add(layer, using('new TextDecoder().decode(new Uint8Array(1))'), null);
  });
  for (const browser of ['', 'browser/']) {
    const up = browser === '' ? '..' : '../..';
    add('platform', importing(`${up}/reno/b.ts`), null, browser);
    add('platform', using('navigator.gpu'), null, browser);
    add('platform', importing('node:fs'), 'noNodejsModules', browser);
    add('platform', importing('webgpu'), 'noRestrictedImports', browser);
    add('platform', importing(`${up}/platform/node/b.ts`), 'noRestrictedImports', browser);
    add('platform', importing(`${up}/cli/b.ts`), 'noRestrictedImports', browser);
    add('platform', importing(`${up}/web/b.ts`), 'noRestrictedImports', browser);
  }
  add('platform', importing('node:fs'), null, 'node/');
  add('platform', importing('webgpu'), null, 'node/');
  add('platform', importing('../../reno/b.ts'), null, 'node/');
  add('platform', importing('../../cli/b.ts'), 'noRestrictedImports', 'node/');
  add('platform', importing('../../web/b.ts'), 'noRestrictedImports', 'node/');
  add('web', importing('node:fs'), 'noNodejsModules');
  add('web', importing('../platform/browser/b.ts'), null);
  add('web', importing('../platform/node/b.ts'), 'noRestrictedImports');
  add('cli', importing('node:fs'), null);
  add('cli', importing('../platform/node/b.ts'), null);
  for (const layer of LAYERS) {
    add(layer, importing('../../commands/parity/b.ts'), 'noRestrictedImports', layer === 'platform' ? 'node/' : '');
  }
  found.push({ path: 'commands/bench/sample.ts', code: importing('../../src/cli/b.ts'), rule: null });
  found.push({
    path: 'commands/parity/sample.ts',
    code: importing('../../test/support/b.ts'),
    rule: 'noRestrictedImports',
  });
  // The library's own entries.
  found.push({ path: 'src/index.ts', code: importing('./platform/node/b.ts'), rule: 'noRestrictedImports' });
  found.push({ path: 'src/node.ts', code: importing('./platform/node/b.ts'), rule: null });
  return found;
}

describe('the linter keeps the layers apart', () => {
  const root = resolve(import.meta.dirname, '../..');
  const folder = mkdtempSync(join(tmpdir(), 'reno-layers-'));
  const all = samples();
  let report = '';

  beforeAll(() => {
    copyFileSync(join(root, 'biome.json'), join(folder, 'biome.json'));
    for (const { path, code } of all) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), code);
    }
    const biome = join(root, 'node_modules/@biomejs/biome/bin/biome');
    const args = [biome, 'lint', '.', '--reporter=github', '--max-diagnostics=none', '--colors=off'];
    const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
    report = stdout + stderr;
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each([...LAYERS.map((layer) => `src/${layer}/`), 'src/index.ts', 'src/node.ts'])('%s', (place) => {
    const mine = all.filter(({ path }) => path.startsWith(place));
    const broken = mine.map((sample) => {
      const lines = report.split('\n').filter((line) => line.includes(sample.path));
      return { ...sample, rule: lines.map((line) => /lint\/\w+\/(\w+)/.exec(line)?.[1]).join() || null };
    });
    expect(mine.length).toBeGreaterThan(0);
    expect(broken).toEqual(mine);
  });
});
