/** The tables of a profile: by module, op, kernel and dispatch, of which one is shown. */
import { GROUPINGS, type Grouping, type ProfileRow, profileRows } from '../../tensor/profile/group_rows.ts';
import type { Profile } from '../../tensor/profile/profile.ts';
import { short } from '../report/chart.ts';
import { escapeHtml } from '../report/html.ts';
import { percent } from './profile_figures.ts';

/** Parts of a module path that a row stands for. */
const DEPTH = 3;
/** Rows of a table; profile.csv has all dispatches. */
const ROWS = 60;

const HEAD = ['count', 'µs', '± µs', 'share', 'so far', 'GFLOP/s', 'GB/s', 'FLOP/B', 'bound by', 'roofline'];

export function profileTables(profile: Profile): string {
  const choices = GROUPINGS.map(
    (by, i) => `<label><input type="radio" name="by" value="${by}"${i === 0 ? ' checked' : ''}> by ${by}</label>`,
  );
  return `<fieldset class="choices"><legend>Rows</legend>${choices.join('')}</fieldset>
${GROUPINGS.map((by, i) => table(by, profileRows(profile, by, DEPTH), i > 0)).join('\n')}`;
}

function table(by: Grouping, rows: readonly ProfileRow[], hidden: boolean): string {
  const head = [by, ...HEAD].map((title) => `<th scope="col">${escapeHtml(title)}</th>`).join('');
  const more =
    rows.length > ROWS
      ? `<p class="facts">The slowest ${ROWS} of ${rows.length}; profile.csv has every dispatch.</p>`
      : '';
  return `<div class="wide" data-by="${by}"${hidden ? ' hidden' : ''} tabindex="0" role="region" aria-label="Times by ${by}"><table class="times">
<thead><tr>${head}</tr></thead><tbody>
${rows.slice(0, ROWS).map(tableRow).join('\n')}
</tbody></table>${more}</div>`;
}

function tableRow(row: ProfileRow): string {
  const cells = [
    String(row.count),
    row.us.toFixed(1),
    row.spreadUs.toFixed(1),
    percent(row.share),
    percent(row.cumulativeShare),
    short(row.gflops),
    short(row.gigabytesPerSecond),
    short(row.intensity),
    row.bound,
    percent(row.rooflineShare),
  ];
  const pass = /^(backward|recomputed) /.exec(row.key)?.[1] ?? '';
  return `<tr><th scope="row"${pass ? ` class="${pass}"` : ''}>${escapeHtml(row.key)}</th>${cells
    .map((cell, i) => (i === 3 ? bar(cell, row.share) : `<td>${escapeHtml(cell)}</td>`))
    .join('')}</tr>`;
}

const bar = (cell: string, share: number): string =>
  `<td class="bar" style="--share:${Number((100 * share).toFixed(2))}%">${cell}</td>`;
