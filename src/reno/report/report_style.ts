/** CSS of report.html: one accent for what was optimised, neutral for the rest, both colour schemes. */
export const REPORT_STYLE = `
:root { color-scheme: light dark;
  --page: #f7f7f5; --card: #ffffff; --ink: #1c1d1f; --soft: #63666b; --line: #e3e3df; --accent: #0b6e4f; --mark: #c2410c; }
@media (prefers-color-scheme: dark) { :root {
  --page: #131416; --card: #1c1e21; --ink: #ececea; --soft: #9b9fa6; --line: #2f3237; --accent: #4cc38a; --mark: #fb923c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 30px; line-height: 1.2; font-weight: 650; letter-spacing: -0.015em; margin: 0 0 8px; text-wrap: balance; }
h2 { font-size: 17px; font-weight: 650; margin: 40px 0 12px; }
.facts { color: var(--soft); margin: 0; }
.warning { border-left: 3px solid var(--mark); padding: 8px 14px; background: var(--card); margin: 20px 0 0; }
.pair { display: grid; grid-template-columns: 1fr auto 1fr; gap: 20px; align-items: center; margin-top: 28px; }
.pair figure { margin: 0; }
.pair img { width: 100%; aspect-ratio: var(--aspect); display: block; border-radius: 10px; border: 1px solid var(--line); }
.pair .after img { outline: 3px solid var(--accent); outline-offset: -1px; }
.pair figcaption { display: flex; justify-content: space-between; gap: 12px; padding-top: 10px; color: var(--soft); }
.pair figcaption b { color: var(--ink); }
.arrow { text-align: center; color: var(--accent); font-weight: 650; font-variant-numeric: tabular-nums; }
.arrow svg { display: block; margin: 0 auto 6px; }
img.pixels { image-rendering: pixelated; }
.strip { display: flex; gap: 10px; overflow-x: auto; padding: 4px 2px 8px; }
.strip figure { margin: 0; flex: 1 0 84px; max-width: 128px; }
.strip img { width: 100%; aspect-ratio: var(--aspect); display: block; border-radius: 6px; border: 1px solid var(--line); }
.strip .is-best img { outline: 2px solid var(--accent); }
.strip figcaption { text-align: center; color: var(--soft); font-size: 13px; font-variant-numeric: tabular-nums; padding-top: 4px; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(300px, 100%), 1fr)); gap: 16px; }
.chart { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 14px 4px; }
.chart figcaption { display: grid; grid-template-columns: 1fr auto; column-gap: 12px; align-items: baseline; }
.chart .note { grid-row: 2; grid-column: 1 / -1; color: var(--soft); font-size: 13px; }
.chart .value { font-variant-numeric: tabular-nums; }
.chart svg { display: block; width: 100%; height: auto; touch-action: pan-y; }
.chart text { font-size: 11px; fill: var(--soft); font-variant-numeric: tabular-nums; }
.grid { stroke: var(--line); }
.series { fill: none; stroke: var(--accent); stroke-width: 2; stroke-linejoin: round; }
.reference { stroke: var(--soft); stroke-dasharray: 4 4; }
.best-line { stroke: var(--mark); stroke-opacity: 0.45; }
.best-dot { fill: var(--mark); stroke: var(--card); stroke-width: 2; }
.cursor { fill: var(--card); stroke: var(--ink); stroke-width: 2; }
.legend { color: var(--soft); font-size: 13px; margin: 10px 0 0; }
.legend i { display: inline-block; width: 9px; height: 9px; border-radius: 50%; background: var(--mark); margin-right: 6px; }
.tables { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(320px, 100%), 1fr)); gap: 0 32px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 400; color: var(--soft); }
th, td { padding: 6px 8px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
details { margin-top: 32px; } summary { cursor: pointer; color: var(--soft); }
details .wide { overflow-x: auto; } details td, details th { white-space: nowrap; font-size: 13px; }
tr.is-best td { color: var(--accent); font-weight: 650; }
@media (max-width: 620px) { .pair { grid-template-columns: 1fr; } .arrow svg { transform: rotate(90deg); } }
`;

/** Reads the value under the pointer, in all charts at once. */
export const REPORT_SCRIPT = `
const charts = [...document.querySelectorAll('.chart')].map((figure) => ({
  figure, svg: figure.querySelector('svg'), cursor: figure.querySelector('.cursor'),
  output: figure.querySelector('.value'), text: figure.querySelector('.value').textContent,
  points: JSON.parse(figure.dataset.points) }));
const show = (i) => charts.forEach(({ cursor, output, text, points }) => {
  const point = i === null ? null : points[i];
  cursor.setAttribute('cx', point ? point[0] : -9); cursor.setAttribute('cy', point ? point[1] : -9);
  output.textContent = point ? i + ': ' + point[2] : text; });
charts.forEach(({ svg, points }) => {
  svg.addEventListener('pointermove', (event) => {
    const box = svg.getBoundingClientRect();
    const x = (event.clientX - box.left) * svg.viewBox.baseVal.width / box.width;
    let near = 0; points.forEach((p, i) => { if (Math.abs(p[0] - x) < Math.abs(points[near][0] - x)) near = i; });
    show(near); });
  svg.addEventListener('pointerleave', () => show(null)); });
`;
