/** Makes report.html from a run's history and pictures: one file that opens from a disk and fetches nothing. */
import type { PromptCut } from '../../models/tokenizers/tokenizers.ts';
import type { Shape } from '../../tensor/types.ts';
import { at } from '../../tensor/types.ts';
import { ascends } from '../search/method_names.ts';
import { chainTable } from './chain_table.ts';
import { type Chart, lineChart, short } from './chart.ts';
import type { History, IterationRecord, RewardInfo, RunConfig } from './history.ts';
import { escapeHtml } from './html.ts';
import { REPORT_SCRIPT, REPORT_STYLE } from './report_style.ts';
import { watchedSection } from './watched_rewards.ts';

/** Pictures as `data:` URIs. */
export interface ReportImages {
  /** The first iteration's picture. */
  readonly init: string;
  /** The best iteration's picture. */
  readonly best: string;
  /** Other pictures of the run, in order. */
  readonly frames: readonly { readonly iteration: number; readonly uri: string }[];
  /** The pictures of the model that --transfer names. */
  readonly transfer?: { readonly init: string; readonly best: string };
}

/** A picture with fewer pixels a side is enlarged without smoothing. */
const SMALL = 256;

const ARROW =
  '<svg width="34" height="18" viewBox="0 0 34 18" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true"><path d="M1 9h30M24 2l7 7-7 7"/></svg>';

/** Returns a report as the text of one HTML file, with the pictures, the settings and a chart of each loss. */
export function renderReport(history: History, images: ReportImages): string {
  const { config } = history;
  const first = at(history.iterations, 0);
  const best = at(history.iterations, history.best);
  const many = history.iterations.length > 1;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(config.prompt)} · ReNO</title>
<style>${REPORT_STYLE}</style>
</head>
<body style="--aspect: ${history.image.width} / ${history.image.height}">
<main>
<h1>${escapeHtml(config.prompt)}</h1>
<p class="facts">${escapeHtml(describeRun(history))}</p>
${history.stopped ? `<p class="warning">This run ended early: ${escapeHtml(history.stopped)}.</p>` : ''}
${(history.cuts ?? []).map((cut) => `<p class="warning">${escapeHtml(describeCut(cut))}.</p>`).join('\n')}
${watchedSection(history)}
${pair(history, images, first, best)}
${transferred(history, images)}
${many && images.frames.length > 0 ? `<h2>On the way</h2>\n${strip(history, images, best)}` : ''}
${many ? `<h2>Rewards and noise</h2>\n<div class="charts">${charts(history).map(lineChart).join('\n')}</div>\n<p class="legend"><i></i>the best iteration, ${best.iteration}</p>` : ''}
${chainTable(history)}
<div class="tables">
<section><h2>Settings</h2>${settings(history)}</section>
<section><h2>Machine and time</h2>${machine(history)}</section>
</div>
${many ? `<details><summary>All ${history.iterations.length} iterations as numbers</summary><div class="wide">${numbers(history)}</div></details>` : ''}
</main>
<script>${REPORT_SCRIPT}</script>
</body>
</html>
`;
}

function describeRun({ config, iterations, seconds }: History): string {
  const { candidates = 0, chains = 0, steps = 0 } = config.search ?? {};
  const how = {
    'multi-start': `${candidates} noises judged, the best ${chains} optimised for ${steps} iterations each`,
    preconditioned: `noise optimised for ${iterations.length} iterations, ${config.project ?? 'gradient'} projected on white noise`,
    'zeroth-order': `${iterations.length} noises in rounds of ${config.samples}, no gradient`,
    reno: `noise optimised for ${iterations.length} iterations`,
    imageselect: `best of ${iterations.length} noises`,
    'no-optim': 'one step, nothing optimised',
  }[config.mode];
  return `${config.model} · seed ${config.seed} · ${how} · ${duration(seconds.iterations)}`;
}

/** Returns a sentence without its full stop, such as `HPS reads 76 of the prompt's 90 tokens, and not: "…"`. */
export function describeCut({ reader, limit, tokens, left }: PromptCut): string {
  return `${reader} reads ${limit} of the prompt's ${tokens} tokens, and not: "${left}"`;
}

function pixelsClass({ width, height }: History['image']): string {
  return Math.max(width, height) < SMALL ? ' class="pixels"' : '';
}

function pair({ image, config }: History, images: ReportImages, first: IterationRecord, best: IterationRecord): string {
  const figure = (uri: string, css: string, title: string, record: IterationRecord): string =>
    `<figure class="${css}"><img${pixelsClass(image)} src="${escapeHtml(uri)}" alt="${escapeHtml(`${title}: ${config.prompt}`)}">
<figcaption><b>${title}</b><span>iteration ${record.iteration}</span></figcaption></figure>`;
  if (config.mode === 'no-optim') {
    return `<div class="pair">${figure(images.best, 'before', 'The picture', first)}</div>`;
  }
  return `<div class="pair">
${figure(images.init, 'before', 'Before', first)}
<div class="arrow">${ARROW}loss<br>${short(first.total)}<br>to ${short(best.total)}</div>
${figure(images.best, 'after', 'After', best)}
</div>`;
}

/** The pictures of a transfer, from the first and the best noise; empty where there was none. */
function transferred({ config, transfer, image }: History, { transfer: pictures }: ReportImages): string {
  if (!transfer || !pictures) {
    return '';
  }
  const figure = (uri: string, css: string, title: string): string =>
    `<figure class="${css}"><img${pixelsClass(image)} src="${escapeHtml(uri)}" alt="${escapeHtml(`${title}: ${config.prompt}`)}">
<figcaption><b>${title}</b></figcaption></figure>`;
  const how = `${count(transfer.steps, 'step')}${transfer.guidance > 1 ? `, guidance ${transfer.guidance}` : ''}`;
  const heading = `<h2>The same noise in ${escapeHtml(transfer.model)} (${how})</h2>`;
  if (config.mode === 'no-optim') {
    return `${heading}\n<div class="pair">${figure(pictures.best, 'before', 'From the noise')}</div>`;
  }
  return `${heading}
<div class="pair">
${figure(pictures.init, 'before', 'From the first noise')}
<div class="arrow">${ARROW}</div>
${figure(pictures.best, 'after', 'From the best noise')}
</div>`;
}

const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;

function strip({ image }: History, images: ReportImages, best: IterationRecord): string {
  const figures = images.frames.map(
    ({ iteration, uri }) =>
      `<figure${iteration === best.iteration ? ' class="is-best"' : ''}><img${pixelsClass(image)} src="${escapeHtml(uri)}" alt="iteration ${iteration}"><figcaption>${iteration}</figcaption></figure>`,
  );
  return `<div class="strip">${figures.join('\n')}</div>`;
}

/** The part of a run that the curves show, during the run or after it. */
export interface ChartedRun extends Pick<History, 'iterations' | 'best'> {
  readonly config: Pick<RunConfig, 'rewards' | 'gradClip'> & { readonly noise: { readonly shape: Shape } };
}

/** The weighted loss, every reward as its authors report it, and the noise. */
export function charts({ config, iterations, best }: ChartedRun): Chart[] {
  const dimension = config.noise.shape.reduce((n, d) => n * d, 1);
  const score = ({ name, weight, offset, watched }: RewardInfo): Chart => ({
    title: name,
    note: `higher is better; ${watched ? 'only watches' : `weight ${short(weight)}`}`,
    values: iterations.map((r) => offset - (r.losses[name] ?? Number.NaN)),
    best,
  });
  const out: Chart[] = [
    { title: 'Weighted loss', note: 'lower is better; chooses the best', values: iterations.map((r) => r.total), best },
    ...config.rewards.map(score),
    {
      title: 'Noise norm',
      note: 'kept near that of a Gaussian sample',
      values: iterations.map((r) => r.norm),
      best,
      reference: { value: Math.sqrt(dimension - 1), label: '√(d − 1)' },
    },
  ];
  const gradients = iterations.flatMap((r) => (r.gradNorm === undefined ? [] : [r.gradNorm]));
  if (gradients.length === iterations.length) {
    const reference = { value: config.gradClip, label: 'clip' };
    out.push({ title: 'Gradient norm', note: 'clipped before each step', values: gradients, best, reference });
  }
  return out;
}

function rows(pairs: readonly (readonly [string, string])[]): string {
  const body = pairs.map(([name, value]) => `<tr><th>${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`);
  return `<table>${body.join('')}</table>`;
}

function settings({ config }: History): string {
  const optimised: [string, string][] = [
    ['Optimiser', `${config.optim}, learning rate ${config.lr}`],
    ['Gradient clip', String(config.gradClip)],
    ['Regulariser weight', `${config.regWeight}${config.reg === 'spectrum' ? ', by moments and power spectrum' : ''}`],
  ];
  return rows([
    ['Model', config.model],
    ['Seed', String(config.seed)],
    ['Noise', `[${config.noise.shape.join(', ')}], ${config.noise.generator}`],
    ...(ascends(config.mode) ? optimised : []),
    ['Rewards', config.rewards.map((r) => (r.watched ? `${r.name} watches` : `${r.name} × ${r.weight}`)).join(', ')],
    ...(config.selectBy ? [['Best picture by', config.selectBy] as [string, string]] : []),
  ]);
}

function machine({ adapter, seconds, iterations, tool, transfer }: History): string {
  const handed: [string, string][] = transfer
    ? [
        [
          'Several steps',
          `${duration(transfer.seconds.load)} loading, ${duration(transfer.seconds.pictures)} two pictures`,
        ],
      ]
    : [];
  return rows([
    ['Adapter', adapter.description || `${adapter.vendor} ${adapter.architecture}`],
    ['f16 storage', adapter.f16 ? 'native' : 'packed'],
    ['Loading and compiling', duration(seconds.load)],
    ['Prompt', duration(seconds.prompt)],
    ['Iterations', `${duration(seconds.iterations)} (${duration(seconds.iterations / iterations.length)} each)`],
    ...handed,
    ['Made with', tool],
  ]);
}

function numbers({ config, iterations, best }: History): string {
  const names = config.rewards.map((r) => r.name);
  const head = [
    'iteration',
    ...names.map((n) => `${n} loss`),
    'weighted',
    'regulariser',
    'norm',
    'gradient',
    'seconds',
  ];
  const body = iterations.map((r, i) => {
    const cells = [
      String(r.iteration),
      ...names.map((n) => (r.losses[n] ?? Number.NaN).toFixed(4)),
      r.total.toFixed(4),
      r.regulariser.toFixed(4),
      r.norm.toFixed(3),
      r.gradNorm === undefined ? '' : short(r.gradNorm),
      r.seconds.toFixed(2),
    ];
    return `<tr${i === best ? ' class="is-best"' : ''}>${cells.map((c) => `<td>${escapeHtml(c)}</td>`).join('')}</tr>`;
  });
  return `<table><tr>${head.map((h) => `<th>${escapeHtml(h)}</th>`).join('')}</tr>${body.join('')}</table>`;
}

/** A time as text: `340 ms`, `4.2 s`, `3 min 5 s`, `2 h 5 min`. */
export function duration(seconds: number): string {
  if (seconds < 1) {
    return `${Math.round(seconds * 1000)} ms`;
  }
  if (seconds < 60) {
    return `${seconds.toFixed(1)} s`;
  }
  const whole = Math.round(seconds);
  const minutes = Math.round(seconds / 60);
  return whole < 3600
    ? `${Math.floor(whole / 60)} min ${whole % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
