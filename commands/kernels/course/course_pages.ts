/**
 * The generated parts of the pages in docs/kernels: tables of figures, and excerpts of the source. A part lies between two comments,
 * `<!-- NAME: what -->` and `<!-- end -->`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { PACKAGE_ROOT } from '../../../src/platform/node/package_root.ts';
import type { CourseFigures } from './course_figures.ts';
import { compiledTable, timedTable } from './course_tables.ts';
import { LADDERS, type Ladder } from './ladders.ts';

export const COURSE_FOLDER = join(PACKAGE_ROOT, 'docs/kernels');
export const FIGURES_FILE = join(COURSE_FOLDER, 'figures.json');

/** A page, by its file name. */
export interface CoursePage {
  readonly name: string;
  readonly text: string;
}

/** The pages in docs/kernels that have generated parts of the course. */
export function coursePages(): CoursePage[] {
  return readdirSync(COURSE_FOLDER)
    .filter((name) => name.endsWith('.md'))
    .sort()
    .map((name) => ({ name, text: readFileSync(join(COURSE_FOLDER, name), 'utf8') }));
}

/** The figures as they are kept. */
export const readFigures = (): CourseFigures => JSON.parse(readFileSync(FIGURES_FILE, 'utf8')) as CourseFigures;

const PART = /^<!-- (timed|compiled|excerpt): (.*) -->\n([\s\S]*?)^<!-- end -->$/gm;

/**
 * Returns the page with all its generated parts made anew.
 * @throws Error, one sentence with the page's name: an unknown ladder or source line, figures that are missing, or a part without an end
 */
export function filledPage({ name, text }: CoursePage, figures: CourseFigures): string {
  const filled = text.replaceAll(PART, (_, kind: string, what: string) => {
    const lines = kind === 'excerpt' ? excerpt(name, what) : table(name, kind, what, figures);
    return `<!-- ${kind}: ${what} -->\n${lines.join('\n')}\n<!-- end -->`;
  });
  const begun = text.match(/^<!-- (timed|compiled|excerpt): /gm)?.length ?? 0;
  if (begun !== [...text.matchAll(PART)].length || begun !== (text.match(/^<!-- end -->$/gm)?.length ?? 0)) {
    throw new Error(`docs/kernels/${name}: a generated part has no line "<!-- end -->", or an end has no beginning`);
  }
  return filled;
}

function table(page: string, kind: string, ladderName: string, figures: CourseFigures): string[] {
  const ladder = LADDERS.find((one) => one.name === ladderName);
  if (!ladder) {
    const known = LADDERS.map((one) => one.name).join(', ');
    throw new Error(`docs/kernels/${page}: there is no ladder "${ladderName}"; the ladders are ${known}`);
  }
  const { timed, compiled } = figures[ladderName] ?? {};
  if (kind === 'timed' && timed) {
    return timedTable(ladderName, shapesOf(ladder, 'timed'), timed);
  }
  if (kind === 'compiled' && compiled) {
    return compiledTable(ladderName, shapesOf(ladder, 'compiled'), compiled);
  }
  throw new Error(
    `docs/kernels/${page}: "${ladderName}" has no figures yet; npm run reno -- kernels course --only ${ladderName}`,
  );
}

/** The shapes of a ladder in words. The input gradient of a convolution and that of a norm run on those of the op itself. */
function shapesOf({ uses }: Ladder, use: 'timed' | 'compiled'): string[] {
  return Object.entries(uses).map(([op, own]) => `${op} ${own[use].shape.replaceAll(',', ', ').replaceAll('x', '×')}`);
}

/**
 * `FILE from "TEXT"`: the lines of the file from the first that has the text to the one that closes its block, which begins as far
 * to the right and with a brace; `FILE from "TEXT" to "TEXT"`: to the next line that has the other text.
 */
function excerpt(page: string, what: string): string[] {
  const [, path = '', first = '', last] = /^(\S+) from "(.+?)"(?: to "(.+)")?$/.exec(what) ?? [];
  const lines = path === '' ? [] : readFileSync(join(PACKAGE_ROOT, path), 'utf8').split('\n');
  const start = lines.findIndex((text) => text.includes(first));
  const close = `${/^ */.exec(lines[start] ?? '')?.[0]}}`;
  const length = lines
    .slice(start)
    .findIndex((text) => (last === undefined ? text.startsWith(close) : text.includes(last)));
  if (start < 0 || length < 0) {
    throw new Error(
      `docs/kernels/${page}: the excerpt "${what}" is not FILE from "TEXT", or FILE from "TEXT" to "TEXT", with texts of that file in this order`,
    );
  }
  const shown = lines.slice(start, start + length + 1);
  const indent = Math.min(...shown.filter((text) => text !== '').map((text) => text.search(/\S/)));
  const link = `<sub>[${path}](${relative('docs/kernels', path)})</sub>`;
  return [link, '', '```wgsl', ...shown.map((text) => text.slice(indent)), '```'];
}
