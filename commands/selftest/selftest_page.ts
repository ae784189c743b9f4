/** The result of `reno selftest` as one HTML file that needs no other. */
import { dataUri, escapeHtml } from '../../src/reno/report/html.ts';
import { REPORT_STYLE } from '../../src/reno/report/report_style.ts';
import type { PartResult } from './part.ts';
import type { SelftestResult } from './result_files.ts';

const STYLE = `
.state { font-weight: 650; } .held { color: var(--accent); } .failed, .cut { color: var(--mark); }
.left { display: flex; gap: 16px; } .left img { width: 128px; border-radius: 6px; image-rendering: pixelated; }
td:first-child { width: 26%; } td.mark { width: 3em; }`;

const STATES: Readonly<Record<PartResult['state'], string>> = {
  held: 'holds',
  failed: 'does not hold',
  cut: 'was cut',
};

/** @param pictures PNG files to show, by name */
export function selftestPage(result: SelftestResult, pictures: ReadonlyMap<string, Uint8Array>): string {
  const { adapter, started, tool, summary, parts, quick } = result;
  const facts = [tool, adapter, started, quick ? 'small variants (--quick)' : 'full size'].map(escapeHtml).join(' · ');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>reno selftest</title><style>${REPORT_STYLE}${STYLE}</style></head><body><main>
<h1>Does ReNO run well on this GPU?</h1>
<p class="facts">${facts}</p>
<p class="${parts.every(({ state }) => state === 'held') ? 'facts' : 'warning'}">${escapeHtml(summary)}</p>
${overview(parts)}
${parts.map(section).join('\n')}
${pictures.size > 0 ? `<h2>Pictures of the demo</h2>\n<div class="left">${[...pictures].map(picture).join('')}</div>` : ''}
</main></body></html>
`;
}

function overview(parts: readonly PartResult[]): string {
  const rows = parts.map(({ part, title, state, seconds, limit }) => {
    const cells = [escapeHtml(title), stateOf(state), `${seconds.toFixed(1)} s of at most ${limit} s`];
    return `<tr><th><a href="#${escapeHtml(part)}">${escapeHtml(part)}</a></th>${cells.map((c) => `<td>${c}</td>`).join('')}</tr>`;
  });
  return `<table>${rows.join('')}</table>`;
}

const stateOf = (state: PartResult['state']): string => `<span class="state ${state}">${STATES[state]}</span>`;

function section({ part, title, state, sentence, rows }: PartResult): string {
  const lines = rows.map(
    ({ name, ok, shown }) =>
      `<tr><td>${escapeHtml(name)}</td><td class="mark">${ok ? 'ok' : '<b>wrong</b>'}</td><td>${escapeHtml(shown)}</td></tr>`,
  );
  return `<h2 id="${escapeHtml(part)}">${escapeHtml(title)}</h2>
<p>${stateOf(state)}: ${escapeHtml(sentence)}</p>
${lines.length > 0 ? `<table>${lines.join('\n')}</table>` : ''}`;
}

const picture = ([name, bytes]: [string, Uint8Array]): string =>
  `<figure><img src="${dataUri('image/png', bytes)}" alt=""><figcaption>${escapeHtml(name)}</figcaption></figure>`;
