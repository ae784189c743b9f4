/** Draws SVG of boxes, cells, arrows and words, in colours that suit light and dark pages. */
import { escapeHtml } from '../../../src/reno/report/html.ts';

/** Fill of a box: `plain` is paper, `a` to `d` are colours that differ in hue and in lightness, `off` is hatched grey. */
export type Fill = 'plain' | 'a' | 'b' | 'c' | 'd' | 'off';

const STYLE = `
:root { --paper: #ffffff; --ink: #1f2328; --soft: #57606a; --line: #8c959f; --a: #b6e3ff; --b: #ffd8b5; --c: #aceebb; --d: #e2c5ff; --off: #eaeef2; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #161b22; --ink: #e6edf3; --soft: #a3adb8; --line: #6e7681; --a: #0c4a82; --b: #7a3d0a; --c: #1a5f2d; --d: #5a3591; --off: #2d333b; }
}
.sheet { fill: var(--paper); } .plain { fill: var(--paper); stroke: var(--line); }
.a { fill: var(--a); stroke: var(--line); } .b { fill: var(--b); stroke: var(--line); } .c { fill: var(--c); stroke: var(--line); }
.d { fill: var(--d); stroke: var(--line); } .off { fill: var(--off); stroke: var(--line); }
.thick { fill: none; stroke: var(--ink); stroke-width: 2.5; } .dashed { fill: none; stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 5 4; }
.arrow { fill: none; stroke: var(--ink); stroke-width: 1.5; } .tip { fill: var(--ink); }
text { fill: var(--ink); font: 14px system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; }
.small { font-size: 12px; fill: var(--soft); } .title { font-weight: 600; } .code { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: 12px; }
`.trim();

/** A whole picture. @param title and @param description are for those who do not see it */
export function picture(
  width: number,
  height: number,
  title: string,
  description: string,
  parts: readonly (string | readonly string[])[],
): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="t d">`,
    `<title id="t">${escapeHtml(title)}</title>`,
    `<desc id="d">${escapeHtml(description)}</desc>`,
    `<style>${STYLE}</style>`,
    `<rect class="sheet" width="${width}" height="${height}" rx="8"/>`,
    ...parts.flat(),
    '</svg>',
    '',
  ].join('\n');
}

export const box = (x: number, y: number, width: number, height: number, kind: Fill | 'thick' | 'dashed'): string =>
  `<rect class="${kind}" x="${x}" y="${y}" width="${width}" height="${height}"${kind === 'thick' || kind === 'dashed' ? '' : ' rx="2"'}/>`;

type Anchor = 'start' | 'middle' | 'end';

/** Words whose baseline is at y. @param style classes: small, title, code */
export const words = (x: number, y: number, text: string, style = '', anchor: Anchor = 'start'): string =>
  `<text x="${x}" y="${y}"${style === '' ? '' : ` class="${style}"`}${anchor === 'start' ? '' : ` text-anchor="${anchor}"`}>${escapeHtml(text)}</text>`;

/** Lines of words, 18 apart. */
export const lines = (x: number, y: number, texts: readonly string[], style = ''): string[] =>
  texts.map((text, i) => words(x, y + 18 * i, text, style));

/** A box with words in its middle. */
export const labelled = (
  x: number,
  y: number,
  width: number,
  height: number,
  kind: Fill,
  text: string,
  style = '',
): string[] => [box(x, y, width, height, kind), words(x + width / 2, y + height / 2 + 5, text, style, 'middle')];

/** Cells of `size`, `columns` × `rows` of them. */
export function cells(
  [x, y]: readonly [number, number],
  [columns, rows]: readonly [number, number],
  size: number,
  kind: (column: number, row: number) => Fill,
): string[] {
  return Array.from({ length: columns * rows }, (_, i) => {
    const [column, row] = [i % columns, Math.floor(i / columns)];
    return box(x + column * size, y + row * size, size, size, kind(column, row));
  });
}

/** An arrow from one point to another. */
export function arrow(x: number, y: number, toX: number, toY: number): string[] {
  const length = Math.hypot(toX - x, toY - y);
  const [dx, dy] = [(toX - x) / length, (toY - y) / length];
  const [backX, backY] = [toX - 9 * dx, toY - 9 * dy];
  const points = [
    [toX, toY],
    [backX - 4 * dy, backY + 4 * dx],
    [backX + 4 * dy, backY - 4 * dx],
  ];
  const round = (value: number): string => value.toFixed(1).replace(/\.0$/, '');
  return [
    `<path class="arrow" d="M${round(x)} ${round(y)} L${round(backX)} ${round(backY)}"/>`,
    `<polygon class="tip" points="${points.map((point) => point.map(round).join(',')).join(' ')}"/>`,
  ];
}
