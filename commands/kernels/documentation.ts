/** Reads what the sources say about ops and variants: doc comments of src/kernels, and the table of variants in docs/engine/kernels.md. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { PACKAGE_ROOT } from '../../src/platform/node/package_root.ts';

interface Source {
  /** Path from the package's root. */
  readonly path: string;
  readonly text: string;
}

/** The documentation of an op. */
export interface OpDocumentation {
  /** The file that defines it, from the package's root. */
  readonly file: string;
  /** The comment of its function; that of its file for a backward op without a function of its own. */
  readonly text: string;
}

/** Reads all doc comments of src/kernels once. @throws Error, one sentence, where the sources are not there (an installed package) */
export function kernelDocumentation(root = PACKAGE_ROOT): KernelDocumentation {
  const folder = join(root, 'src/kernels');
  let names: string[];
  try {
    names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  } catch {
    throw new Error(`${folder} is not there: the documentation of kernels is read from the repository's sources`);
  }
  const sources = names
    .filter((name) => name.endsWith('.ts') && !name.startsWith('check'))
    .sort()
    .map((name) => ({
      path: relative(root, join(folder, name)),
      text: readFileSync(join(folder, name), 'utf8'),
    }));
  return new KernelDocumentation(sources, readFileSync(join(root, 'docs/engine/kernels.md'), 'utf8'));
}

export class KernelDocumentation {
  readonly #sources: readonly Source[];
  readonly #ideas = new Map<string, string>();

  /** @param table Markdown with lines "| `name`, `name` | idea |" */
  constructor(sources: readonly Source[], table: string) {
    this.#sources = sources;
    for (const [, names = '', idea = ''] of table.matchAll(/^\| (`[^|]+`) \| ([^|]+) \|$/gm)) {
      for (const [, name = ''] of names.matchAll(/`([^`]+)`/g)) {
        this.#ideas.set(name, idea.trim());
      }
    }
  }

  /** Returns what the sources say of the op; undefined where they say nothing. */
  op(name: string): OpDocumentation | undefined {
    return this.#function(name) ?? this.#statement(name) ?? this.#gradient(name);
  }

  /** Returns the idea of a variant, the same in every op; undefined where the table lacks it. */
  variant(name: string): string | undefined {
    return this.#ideas.get(name);
  }

  /** Returns what the variant's own file in the op's folder says of it, if it has one. */
  variantFile(op: string, variant: string): OpDocumentation | undefined {
    const folders = [...new Set([op, op.replace(/_backward.*$/, '')])];
    const names = /_backward/.test(op) ? [`${variant}_backward`, variant] : [variant];
    const wanted = folders.flatMap((folder) => names.map((name) => `src/kernels/${folder}/${name}.ts`));
    for (const path of wanted) {
      const source = this.#sources.find((s) => s.path === path);
      if (source) {
        return { file: path, text: header(source.text) };
      }
    }
    return undefined;
  }

  /** The doc comment of the public function of that name. */
  #function(name: string): OpDocumentation | undefined {
    const camel = name.replaceAll(/_([a-z0-9])/g, (_, c: string) => c.toUpperCase());
    const pattern = new RegExp(`/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\s*export (?:const|function) ${camel}\\b`);
    return this.#find(pattern, (match) => prose(match[1] ?? ''));
  }

  /** The doc comment of the statement that defines an op of that name. */
  #statement(name: string): OpDocumentation | undefined {
    const pattern = new RegExp(`^\\s+name: '${name}',$`, 'm');
    return this.#find(pattern, (match, text) => {
      const before = text.slice(0, match.index);
      const own = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*(?:export )?(?:const|function|defineOp)[^\n]*\n?$/.exec(before);
      return prose(own?.[1] ?? '');
    });
  }

  /** Backward ops that elementwise definitions make by themselves. */
  #gradient(name: string): OpDocumentation | undefined {
    const forward = name.endsWith('_backward') ? this.op(name.slice(0, -'_backward'.length)) : undefined;
    return (
      forward && { file: forward.file, text: `The gradient of ${name.slice(0, -'_backward'.length)}. ${forward.text}` }
    );
  }

  #find(pattern: RegExp, text: (match: RegExpExecArray, source: string) => string): OpDocumentation | undefined {
    for (const { path, text: source } of this.#sources) {
      const match = pattern.exec(source);
      const found = match ? text(match, source) : '';
      if (found !== '') {
        return { file: path, text: found };
      }
    }
    return undefined;
  }
}

const header = (text: string): string => prose(/^\s*\/\*\*([\s\S]*?)\*\//.exec(text)?.[1] ?? '');

/** A doc comment's text in one paragraph. */
function prose(comment: string): string {
  return comment
    .split('\n')
    .map((line) => line.replace(/^\s*\*? ?/, '').trimEnd())
    .join(' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

/** The first sentence of `text`. */
export function firstSentence(text: string): string {
  return /^.*?[.:](?=\s|$)/.exec(text)?.[0].replace(/:$/, '.') ?? text;
}
