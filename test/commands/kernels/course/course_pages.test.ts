/** The pages of the course say what the sources and the kept figures say. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { courseCommand } from '../../../../commands/kernels/course/course.ts';
import { cpuHash, gpuHash, nameOf } from '../../../../commands/kernels/course/course_figures.ts';
import {
  COURSE_FOLDER,
  type CoursePage,
  coursePages,
  filledPage,
  readFigures,
} from '../../../../commands/kernels/course/course_pages.ts';
import { LADDERS, type Rung } from '../../../../commands/kernels/course/ladders.ts';
import { PICTURES } from '../../../../commands/kernels/course/pictures.ts';

const pages = coursePages();
const figures = readFigures();

/** The links of a page, with their words. Code fences have none. */
const linksOf = ({ text }: CoursePage): { words: string; target: string }[] =>
  [...text.replaceAll(/^```[\s\S]*?^```$/gm, '').matchAll(/\[((?:[^\][]|\n)*)\]\(([^)\s]+)\)/g)]
    .map(([, words = '', target = '']) => ({ words, target }))
    .filter(({ target }) => !/^[a-z]+:/.test(target));

/** The anchors that GitHub gives to the headings of a page. */
const anchorsOf = (markdown: string): string[] =>
  [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );

describe.each(pages)('docs/kernels/$name', (page) => {
  it('has tables and excerpts as `reno kernels course --render` writes them', () => {
    expect(page.text).toBe(filledPage(page, figures));
  });

  it('links to files and headings that exist', () => {
    const broken = linksOf(page).filter(({ target }) => {
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? join(COURSE_FOLDER, page.name) : resolve(COURSE_FOLDER, path);
      return !existsSync(file) || (anchor !== undefined && !anchorsOf(readFileSync(file, 'utf8')).includes(anchor));
    });
    expect(broken).toEqual([]);
  });

  it('names functions and constants that stand in the files that it links', () => {
    const missing = linksOf(page)
      .filter(({ target }) => target.endsWith('.ts'))
      .flatMap(({ words, target }) => {
        const source = readFileSync(resolve(COURSE_FOLDER, target), 'utf8');
        const names = [...words.matchAll(/`(\w+)`/g)].map(([, name = '']) => name);
        return names.filter((name) => !new RegExp(`\\b${name}\\b`).test(source)).map((name) => `${name} in ${target}`);
      });
    expect(missing).toEqual([]);
  });
});

describe('the kept figures', () => {
  it.each(LADDERS)('of $name are those of its kernels as they are now', (ladder) => {
    const { [ladder.name]: own } = figures;
    const again = `run: npm run reno -- kernels course --only ${ladder.name}`;
    const kept = (rows: readonly (Rung & { code: string })[] = []): string[] =>
      rows.map(({ code, ...rung }) => `${nameOf(rung)} ${rung.dtype} ${code}`);
    const now = (rungs: readonly Rung[], hash: (rung: Rung) => string): string[] =>
      rungs.map((rung) => `${nameOf(rung)} ${rung.dtype} ${hash(rung)}`);
    expect(kept(own?.timed?.rows), again).toEqual(now(ladder.cpu, (rung) => cpuHash(ladder, rung)));
    expect(kept(own?.compiled?.rows), again).toEqual(now(ladder.gpu, (rung) => gpuHash(ladder, rung)));
  });

  it('stand in the pages, each ladder in both tables', () => {
    const shown = pages.flatMap(({ text }) => [...text.matchAll(/^<!-- (timed|compiled): (\S+) -->$/gm)]);
    expect(shown.map(([, kind, name]) => `${kind} ${name}`).sort()).toEqual(
      LADDERS.flatMap(({ name }) => [`compiled ${name}`, `timed ${name}`]).sort(),
    );
  });

  it('are of kernels that were right', () => {
    const rows = Object.values(figures).flatMap(({ timed, compiled }) => [
      ...(timed?.rows ?? []),
      ...(compiled?.rows ?? []),
    ]);
    expect(rows.filter(({ nmse, bound }) => nmse !== null && !(nmse <= bound))).toEqual([]);
    // Only kernels for matrix units may have no error: CPU drivers lack such units.
    expect(rows.filter(({ nmse, variant }) => nmse === null && !variant.startsWith('subgroup_matrix'))).toEqual([]);
  });
});

describe('the pictures', () => {
  it.each(Object.entries(PICTURES))('%s.svg is as the command draws it, and a page shows it', (name, draw) => {
    expect(readFileSync(join(COURSE_FOLDER, 'images', `${name}.svg`), 'utf8')).toBe(draw());
    expect(pages.filter(({ text }) => text.includes(`(images/${name}.svg)`)).length).toBe(1);
  });
});

describe('filledPage', () => {
  const filled = (text: string): string => filledPage({ name: 'a.md', text }, figures);

  it('puts the lines of a block between the comments, without their indentation', () => {
    const excerpt = '<!-- excerpt: src/kernels/matmul/naive.ts from "for (var i = 0u;" -->';
    expect(filled(`${excerpt}\nold\n<!-- end -->`)).toBe(
      [
        excerpt,
        '<sub>[src/kernels/matmul/naive.ts](../../src/kernels/matmul/naive.ts)</sub>',
        '',
        '```wgsl',
        'for (var i = 0u; i < params.k; i++) {',
        '  sum += load_a(from_a + i) * load_b(from_b + i * params.rowB);',
        '}',
        '```',
        '<!-- end -->',
      ].join('\n'),
    );
  });

  it.each([
    ['<!-- excerpt: src/kernels/matmul/naive.ts from "nowhere" -->\n<!-- end -->', 'is not FILE from "TEXT"'],
    ['<!-- timed: nothing -->\n<!-- end -->', 'there is no ladder "nothing"; the ladders are product'],
    ['<!-- timed: product -->\n', 'has no line "<!-- end -->"'],
    ['<!-- end -->', 'has no line "<!-- end -->"'],
  ])('refuses %j', (text, message) => {
    expect(() => filled(text)).toThrow(message);
  });

  it('asks for figures that are missing', () => {
    const page = { name: 'a.md', text: '<!-- timed: product -->\n<!-- end -->' };
    expect(() => filledPage(page, {})).toThrow('npm run reno -- kernels course --only product');
  });
});

it('the command refuses a ladder that it does not know, before it measures', async () => {
  await expect(courseCommand.run?.({ only: 'produkt' }, [])).rejects.toThrow(
    '--only produkt: there is no ladder "produkt"',
  );
});
