/** The hacking curve: how often the picture of an iteration is right, while the rewards' loss falls. As a table and as an SVG. */
import { alignedTable } from '../../src/reno/report/markdown_table.ts';
import { type CurveRow, number, percent } from '../prompt_bench/results/results.ts';
import { type Estimate, estimate } from '../prompt_bench/results/statistics.ts';

/** The means of an iteration over prompts, with the seeds of a prompt together. */
export interface CurveMeans {
  readonly iteration: number;
  readonly loss: Estimate;
  /** Share of right pictures of this iteration. */
  readonly right: Estimate;
  /** Share of right pictures among those with the lowest loss until this iteration, which a run of this length ends with. */
  readonly best: Estimate;
}

/** Returns the means by iteration; nothing where no evaluator looked. */
export function curveMeans(curves: readonly CurveRow[]): CurveMeans[] {
  const indices = [...new Set(curves.map(({ index }) => index))];
  const iterations = (curves[0]?.points ?? []).map(({ iteration }) => iteration);
  if (curves.some(({ points }) => points.some(({ right }) => right === null))) {
    return [];
  }
  return iterations.map((iteration, i) => {
    const of = (value: (point: CurveRow['points'][number]) => number): Estimate =>
      estimate(
        indices.map((index) =>
          curves.filter((row) => row.index === index).flatMap(({ points }) => points.slice(i, i + 1).map(value)),
        ),
      );
    return {
      iteration,
      loss: of(({ total }) => total),
      right: of(({ right }) => Number(right)),
      best: of(({ best }) => Number(best.right)),
    };
  });
}

/** The curve as a Markdown table; no lines where nothing was measured. */
export function curveTable(curves: readonly CurveRow[]): string[] {
  const means = curveMeans(curves);
  return means.length === 0
    ? []
    : alignedTable(
        ['iteration', 'its picture right', 'best picture until there right', 'its loss'],
        means.map(({ iteration, right, best, loss }) => [
          String(iteration),
          percent(right),
          percent(best),
          number(loss),
        ]),
      );
}

const WIDTH = 640;
const HEIGHT = 320;
const PLOT = { left: 56, right: 500, top: 20, bottom: 270 } as const;

/** The curve as a picture on its own, with its intervals as bands. @param means at least one */
export function curveSvg(means: readonly CurveMeans[]): string {
  const last = means.at(-1)?.iteration ?? 0;
  const least = Math.min(0.9, ...means.flatMap(({ right, best }) => [right.low, best.low]));
  const low = Math.floor(10 * least) / 10;
  const x = (iteration: number): string =>
    (PLOT.left + ((PLOT.right - PLOT.left) * iteration) / Math.max(1, last)).toFixed(1);
  const y = (share: number): string =>
    (PLOT.bottom - ((PLOT.bottom - PLOT.top) * (share - low)) / (1 - low)).toFixed(1);
  const end = means.at(-1);
  // Labels of lines that end near each other keep a line's height between them.
  const apart = end && Math.abs(Number(y(end.right.mean)) - Number(y(end.best.mean))) < 14 ? 8 : 0;
  const series = (of: (m: CurveMeans) => Estimate, colour: string, label: string, down: number, dash = ''): string => {
    const line = means.map((m) => `${x(m.iteration)},${y(of(m).mean)}`).join(' ');
    const upper = means.map((m) => `${x(m.iteration)},${y(of(m).high)}`);
    const lower = means.map((m) => `${x(m.iteration)},${y(of(m).low)}`).reverse();
    return [
      `<polygon points="${[...upper, ...lower].join(' ')}" fill="${colour}" opacity="0.12"/>`,
      `<polyline points="${line}" fill="none" stroke="${colour}" stroke-width="2"${dash}/>`,
      ...means.map((m) => `<circle cx="${x(m.iteration)}" cy="${y(of(m).mean)}" r="3.5" fill="${colour}"/>`),
      end
        ? `<text x="${PLOT.right + 10}" y="${Number(y(of(end).mean)) + 4 + down}" fill="${colour}">${label}</text>`
        : '',
    ].join('\n');
  };
  const shares = Array.from({ length: Math.round((1 - low) * 10) + 1 }, (_, i) => low + i / 10);
  const grid = shares.map(
    (share) =>
      `<line x1="${PLOT.left}" x2="${PLOT.right}" y1="${y(share)}" y2="${y(share)}" stroke="#8884"/>` +
      `<text x="${PLOT.left - 8}" y="${Number(y(share)) + 4}" text-anchor="end">${Math.round(100 * share)} %</text>`,
  );
  const under = means.map(
    ({ iteration }) => `<text x="${x(iteration)}" y="${PLOT.bottom + 18}" text-anchor="middle">${iteration}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="12" fill="#777" role="img">
<title>Share of right pictures by iteration of ReNO, with 95 % intervals</title>
${grid.join('\n')}
${under.join('\n')}
<text x="${(PLOT.left + PLOT.right) / 2}" y="${PLOT.bottom + 40}" text-anchor="middle">iteration</text>
${series(({ right }) => right, '#d2691e', 'this picture', apart, ' stroke-dasharray="5 4"')}
${series(({ best }) => best, '#2a7ab0', 'best until there', -apart)}
</svg>
`;
}
