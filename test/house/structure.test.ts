/** Checks how the source files hang together: their names, their imports and their exports. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const FOLDERS = ['src', 'commands', 'test', 'examples'];

/** File names that mean the same thing in every folder. */
const ROLES = new Set(['index.ts', 'main.ts']);

/** Folders whose files may bear the names of files elsewhere: the folder says whose they are. */
const OWNERS = [
  /^src\/kernels\/(?!common\/)\w+\//, // The parts of an op: its cases, its reference, its variants.
  /^src\/platform\/browser\//, // The browser's side of what src/platform/node does in Node.
  /^src\/web\//, // The page's side of what src/cli does on the command line.
  /^src\/\w+\.ts$/, // The package's entries.
];

/** Ops whose gradients consist of each other. */
const MUTUAL = new Set(['reduce.ts', 'binary.ts', 'unbroadcast.ts']);

/** Files whose exports are collected by a program, not imported by name. */
const COLLECTED = /^commands\/parity\/cases\/\w+_cases\.ts$/;

interface Source {
  /** Path from the repository's root. */
  readonly path: string;
  readonly text: string;
  /** The text without comments. */
  readonly code: string;
}

/** The package's entries. */
const ENTRIES = ['src/index.ts', 'src/node.ts', 'src/engine.ts', 'src/models.ts', 'src/reno.ts'];

function sources(): Source[] {
  return FOLDERS.flatMap((folder) => {
    const names = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' });
    return names
      .map((name) => join(folder, name).replaceAll('\\', '/'))
      .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts') && !path.includes('node_modules/'))
      .map((path) => {
        const text = readFileSync(join(ROOT, path), 'utf8');
        return { path, text, code: text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '') };
      });
  });
}

/** Paths of the files that `source` needs when it runs: types are erased. */
function valueImports({ path, code }: Source): string[] {
  const statements = code.matchAll(/^(?:import|export)\s+(?!type\b)(?:([^;'"]*?)\s+from\s+)?'(\.[^']+)';/gm);
  return [...statements]
    .filter(([, names = '']) => !/^\{(\s*type\s[^,}]*,?)+\s*\}$/.test(names))
    .map(([, , from = '']) => relative(ROOT, resolve(ROOT, dirname(path), from)).replaceAll('\\', '/'));
}

/** Groups of files that import each other, each as the path of one circle. */
function circles(files: readonly Source[]): string[] {
  const imports = new Map(files.map((file) => [file.path, valueImports(file)]));
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const from = trail.indexOf(path);
    if (from >= 0) {
      found.push([...trail.slice(from), path].join(' → '));
    } else if (!done.has(path)) {
      for (const next of imports.get(path) ?? []) {
        visit(next, [...trail, path]);
      }
      done.add(path);
    }
  };
  for (const { path } of files) {
    visit(path, []);
  }
  return found;
}

/** Files whose every export is public: the package's entries, and what they export whole (`export * from`). */
function publicFiles(files: readonly Source[]): Set<string> {
  const found = new Set(ENTRIES);
  for (const path of found) {
    const { code = '' } = files.find((file) => file.path === path) ?? {};
    for (const [, from = ''] of code.matchAll(/^export \* from '(\.[^']+)';/gm)) {
      found.add(relative(ROOT, resolve(ROOT, dirname(path), from)).replaceAll('\\', '/'));
    }
  }
  return found;
}

/** Exported values whose name no other file spells, as `path name`. Types are left out: a value's type may be needed by name. */
function unusedExports(files: readonly Source[]): string[] {
  const spelled = new Map<string, Set<string>>();
  for (const { path, code } of files) {
    for (const [word] of code.matchAll(/\b[A-Za-z_$][\w$]*\b/g)) {
      const paths = spelled.get(word) ?? new Set();
      spelled.set(word, paths.add(path));
    }
  }
  const isPublic = publicFiles(files);
  const declared = /^export (?:declare )?(?:async )?(?:abstract )?(?:const|let|function|class)\*? ([\w$]+)/gm;
  return files
    .flatMap(({ path, code }) => [...code.matchAll(declared)].map(([, name = '']) => ({ path, name })))
    .filter(({ name, path }) => (spelled.get(name)?.size ?? 0) < 2 && !COLLECTED.test(path) && !isPublic.has(path))
    .map(({ path, name }) => `${path} ${name}`);
}

describe('source files', () => {
  const files = sources();

  it('have names of their own, apart from those that mean the same everywhere', () => {
    const paths = new Map<string, string[]>();
    for (const { path } of files.filter(({ path }) => !OWNERS.some((owner) => owner.test(path)))) {
      paths.set(basename(path), [...(paths.get(basename(path)) ?? []), path]);
    }
    const repeated = [...paths].filter(([name, list]) => list.length > 1 && !ROLES.has(name));
    expect(repeated.map(([, list]) => list.join(', '))).toEqual([]);
  });

  it('import each other in no circle', () => {
    const found = circles(files).filter((circle) => !circle.split(' → ').every((path) => MUTUAL.has(basename(path))));
    expect(found).toEqual([]);
  });

  it('export nothing that no other file uses', () => {
    expect(unusedExports(files)).toEqual([]);
  });

  it('name no issue in a comment', () => {
    const named = files.filter(({ text }) => /\bissues? #?\d/i.test(text));
    expect(named.map(({ path }) => path)).toEqual([]);
  });

  it('ask a node for its role, never its path for the word grad', () => {
    const asked = files.filter(({ path, code }) => path.startsWith('src/') && /['"/]\^?grad\\?\(/.test(code));
    expect(asked.map(({ path }) => path)).toEqual([]);
  });
});

describe('what finds these faults', () => {
  const file = (path: string, text: string): Source => ({ path, text, code: text });

  it('finds circles, but not through types', () => {
    const a = file('src/a.ts', "import { b } from './b.ts';\n");
    expect(circles([a, file('src/b.ts', "export { a } from './a.ts';\n")])).toEqual(['src/a.ts → src/b.ts → src/a.ts']);
    expect(circles([a, file('src/b.ts', "import type { A } from './a.ts';\n")])).toEqual([]);
    expect(circles([a, file('src/b.ts', "import { type A, type B } from './a.ts';\n")])).toEqual([]);
  });

  it('finds exports without a use', () => {
    const a = file('src/a.ts', 'export const used = 1;\nexport function unused() {}\n');
    expect(unusedExports([a, file('src/b.ts', "import { used } from './a.ts';\n")])).toEqual(['src/a.ts unused']);
  });
});
