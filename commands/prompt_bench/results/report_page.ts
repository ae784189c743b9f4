/** report.html of a comparison: tables, and a gallery of before and after that can be sorted and filtered. */
import { escapeHtml } from '../../../src/reno/report/html.ts';
import { REPORT_STYLE } from '../../../src/reno/report/report_style.ts';
import { at } from '../../../src/tensor/types.ts';
import type { Failure } from '../stores/job_store.ts';
import {
  type BenchResults,
  detectorNote,
  judgedColumns,
  type MethodResult,
  number,
  overallTable,
  type Picture,
  percent,
} from './results.ts';
import type { Estimate } from './statistics.ts';

/** A card of the gallery: the first and the best picture of one run. */
export interface Card {
  readonly picture: Picture;
  readonly before: string;
  readonly after: string;
}

const STYLE = `
table { border-collapse: collapse; background: var(--card); border: 1px solid var(--line); border-radius: 10px; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
th, td { padding: 6px 12px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
small { color: var(--soft); }
/* An interval stands under its estimate, so that more columns are seen without scrolling. */
.wide td small { display: block; white-space: nowrap; }
.controls { display: flex; flex-wrap: wrap; gap: 12px; align-items: end; margin: 12px 0; position: sticky; top: 0; background: var(--page); padding: 8px 0; }
label { display: grid; gap: 4px; font-size: 13px; color: var(--soft); }
select { font: inherit; padding: 6px 8px; border: 1px solid var(--line); border-radius: 8px; background: var(--card); color: var(--ink); }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(260px, 1fr)); gap: 16px; padding: 0; list-style: none; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 10px; }
.card .two { display: grid; grid-template-columns: 1fr 1fr; gap: 6px; }
.card img { width: 100%; display: block; border-radius: 6px; }
.card p { margin: 6px 0 0; overflow-wrap: anywhere; }
.card .numbers { color: var(--soft); font-size: 13px; font-variant-numeric: tabular-nums; }
.card svg { width: 100%; height: 28px; display: block; margin-top: 6px; }
.good { color: var(--accent); } .bad { color: var(--mark); }
.bars td:nth-child(2) { min-width: 260px; }
`;

/** The page's own script: sorting and filtering what is there. */
const SCRIPT = `
const gallery = document.querySelector('.gallery');
const cards = [...gallery.children];
const [method, category, order] = ['method', 'category', 'order'].map((id) => document.getElementById(id));
const count = document.getElementById('count');
function show() {
  const by = {
    failures: (a, b) => a.dataset.right - b.dataset.right || a.dataset.gain - b.dataset.gain,
    gain: (a, b) => b.dataset.gain - a.dataset.gain,
    loss: (a, b) => a.dataset.gain - b.dataset.gain,
    list: (a, b) => a.dataset.index - b.dataset.index || a.dataset.seed - b.dataset.seed,
  }[order.value];
  const fits = cards.filter(({ dataset }) =>
    dataset.method === method.value && (category.value === '' || dataset.category === category.value));
  gallery.replaceChildren(...fits.sort(by));
  count.textContent = fits.length === 1 ? '1 picture' : fits.length + ' pictures';
}
for (const select of [method, category, order]) select.addEventListener('change', show);
show();
`;

export function benchPage(results: BenchResults, cards: readonly Card[]): string {
  const overall = at(results.categories, results.categories.length - 1);
  const title = `${results.list}: ${overall.methods.map(({ method }) => method).join(', ')}`;
  const { jobs } = results;
  const options = (values: readonly string[]): string =>
    values
      .map((value) => `<option value="${escapeHtml(value)}">${escapeHtml(value.replaceAll('_', ' '))}</option>`)
      .join('');
  const methods = [...new Set(cards.map(({ picture }) => picture.method))];
  const categories = results.categories.slice(0, -1).map(({ category }) => category);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title><style>${REPORT_STYLE}${STYLE}</style></head><body><main>
<h1>${escapeHtml(title)}</h1>
<p class="facts">Model ${escapeHtml(results.model)}, seeds ${results.seeds.join(', ')}, ${overall.prompts} prompts, ${escapeHtml(results.adapters.join('; '))}, ${escapeHtml(results.tool)}</p>
${jobs.done < jobs.all ? `<p class="warning">${jobs.done} of ${jobs.all} jobs are done${jobs.failed.length > 0 ? `, ${jobs.failed.length} failed` : ''}: the numbers are of these alone.</p>` : ''}
<h2>All prompts</h2>
<p>Means over prompts with 95 % bootstrap intervals. A forward pass is the unit of work; an iteration with its gradient counts two.</p>
${results.detector ? `<p>${escapeHtml(detectorNote(results.detector))}</p>` : ''}
${overallHtml(overall.methods)}
${categoryTables(results)}
${failedList(jobs.failed)}
<h2>Gallery</h2>
<div class="controls">
<label>Method<select id="method">${options(methods)}</select></label>
<label>Category<select id="category"><option value="">all</option>${options(categories)}</select></label>
<label>Order<select id="order"><option value="failures">failures first</option><option value="gain">largest gain first</option><option value="loss">smallest gain first</option><option value="list">as in the list</option></select></label>
<span id="count" role="status"></span></div>
<ul class="gallery">${cards.map(cardHtml).join('\n')}</ul>
</main><script>${SCRIPT}</script></body></html>
`;
}

function overallHtml(methods: readonly MethodResult[]): string {
  const { head, rows } = overallTable(methods, interval);
  return htmlTable(
    head,
    rows.map(([method = '', ...others]) => [escapeHtml(method), ...others]),
  );
}

/** The share of right pictures, of objects found, or the loss of each category, as bars with intervals on one scale. */
function categoryTables({ categories }: BenchResults): string {
  if (categories.length < 2) {
    return '';
  }
  const of = (m: MethodResult): Estimate => m.right ?? m.objects ?? m.loss;
  const all = categories.flatMap(({ methods }) => methods);
  const isJudged = all.every(({ right, objects }) => right !== null || objects !== null);
  const title = judgedColumns(all)[0]?.head ?? 'loss';
  const low = isJudged ? 0 : Math.min(...all.map((m) => of(m).low));
  const high = isJudged ? 1 : Math.max(...all.map((m) => of(m).high));
  const x = (value: number): string => (((value - low) / (high - low || 1)) * 240 + 10).toFixed(1);
  const bar = (e: Estimate): string =>
    `<svg width="260" height="18" role="img" aria-label="${isJudged ? percent(e) : number(e)}"><line x1="10" x2="250" y1="9" y2="9" stroke="var(--line)"/><line x1="${x(e.low)}" x2="${x(e.high)}" y1="9" y2="9" stroke="var(--accent)" stroke-width="3"/><circle cx="${x(e.mean)}" cy="9" r="4.5" fill="var(--accent)"/></svg>`;
  const parts = categories.slice(0, -1).map(({ category, prompts, methods }) => {
    const rows = methods.map((m) => [
      escapeHtml(m.method),
      bar(of(m)),
      interval(isJudged ? percent(of(m)) : number(of(m))),
    ]);
    return `<h3>${escapeHtml(category.replaceAll('_', ' '))} <small>${prompts} prompts</small></h3>${htmlTable(['method', title, ''], rows, 'bars')}`;
  });
  return `<h2>By category</h2>${parts.join('')}`;
}

function failedList(failed: readonly Failure[]): string {
  const items = failed.map(
    ({ prompt, arm, listSeed, reason }) =>
      `<li>${escapeHtml(prompt)} <small>${escapeHtml(arm)}, seed ${listSeed}</small>: ${escapeHtml(reason)}</li>`,
  );
  return failed.length === 0 ? '' : `<h2>Failed</h2><ul>${items.join('')}</ul>`;
}

function cardHtml({ picture, before, after }: Card): string {
  const { result, first, prompt, category, method, index, listSeed } = picture;
  const gain = first.total - result.total;
  const rank = Number(result.right ?? picture.objects?.right ?? false);
  const verdict =
    result.right === null
      ? ''
      : `<p class="${result.right ? 'good' : 'bad'}">${result.right ? '✓ right' : `✗ ${escapeHtml(result.reason ?? '')}`}${first.right === null ? '' : ` <small>(first picture: ${first.right ? 'right' : 'wrong'})</small>`}</p>`;
  return `<li class="card" data-method="${escapeHtml(method)}" data-category="${escapeHtml(category ?? '')}" data-gain="${gain}" data-right="${rank}" data-index="${index}" data-seed="${listSeed}">
<div class="two"><img loading="lazy" src="${escapeHtml(before)}" alt="first picture"><img loading="lazy" src="${escapeHtml(after)}" alt="best picture"></div>
<p>${escapeHtml(prompt)}</p>${verdict}${objectLine(picture)}<p class="numbers">seed ${listSeed}, loss ${first.total.toFixed(3)} → ${result.total.toFixed(3)} at ${result.iteration}</p>${curve(picture.totals)}</li>`;
}

function objectLine({ objects }: Picture): string {
  return objects === null
    ? ''
    : `<p class="${objects.right ? 'good' : 'bad'}">${objects.right ? '✓ objects found' : `✗ ${escapeHtml(objects.reason ?? '')}`}</p>`;
}

function curve(totals: readonly number[]): string {
  if (totals.length < 2) {
    return '';
  }
  const low = Math.min(...totals);
  const high = Math.max(...totals);
  const points = totals.map(
    (value, i) =>
      `${((i / (totals.length - 1)) * 200).toFixed(1)},${(26 - ((value - low) / (high - low || 1)) * 24).toFixed(1)}`,
  );
  return `<svg viewBox="0 0 200 28" preserveAspectRatio="none" aria-hidden="true"><polyline points="${points.join(' ')}" fill="none" stroke="var(--accent)" stroke-width="1.5" vector-effect="non-scaling-stroke"/></svg>`;
}

/** Puts the bracket of an estimate in small letters. */
function interval(text: string): string {
  return escapeHtml(text).replace(/\((.*)\)/, '<small>($1)</small>');
}

function htmlTable(head: readonly string[], rows: readonly (readonly string[])[], name = ''): string {
  const line = (tag: string, cells: readonly string[]): string =>
    `<tr>${cells.map((cell) => `<${tag}>${cell}</${tag}>`).join('')}</tr>`;
  return `<div class="wide"><table class="${name}"><thead>${line('th', head)}</thead><tbody>${rows.map((row) => line('td', row)).join('')}</tbody></table></div>`;
}
