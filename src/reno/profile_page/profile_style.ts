/** CSS and script of the profile's page, beside those of the report. */
export const PROFILE_STYLE = `
:root { --again: #6d28d9; --block-ink: #ffffff; } @media (prefers-color-scheme: dark) { :root { --again: #a78bfa; --block-ink: #131416; } }
.headline { display: grid; grid-template-columns: repeat(auto-fit, minmax(142px, 1fr)); gap: 12px; margin: 24px 0; }
.headline div { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 10px 14px; }
.headline dt { color: var(--soft); font-size: 13px; } .headline dd { margin: 0; }
.headline b { display: block; font-size: 16px; white-space: nowrap; font-weight: 650; font-variant-numeric: tabular-nums; }
.headline span { color: var(--soft); font-size: 13px; line-height: 1.35; display: block; }
i.forward { background: var(--accent); } i.backward { background: var(--mark); } i.recomputed { background: var(--again); }
.legend i { border-radius: 3px; } .legend span { white-space: nowrap; margin-right: 14px; }
i.saved { background: var(--mark); } i.transient, i.streamed { background: var(--soft); }
.choices { border: 0; padding: 0; margin: 0 0 8px; display: flex; flex-wrap: wrap; gap: 4px 18px; }
.choices legend { float: left; padding: 0 14px 0 0; color: var(--soft); }
.wide { overflow: auto; max-height: 480px; border: 1px solid var(--line); border-radius: 10px; background: var(--card); }
.wide[hidden] { display: none; } .wide .facts { padding: 8px 12px; }
table.times td, table.times th { padding: 4px 12px; white-space: nowrap; font-size: 13px; text-align: right; overflow-wrap: normal; }
table.times th:first-child { text-align: left; white-space: normal; min-width: 240px; max-width: 460px; overflow-wrap: anywhere; }
table.times thead th { position: sticky; top: 0; background: var(--card); box-shadow: 0 1px var(--line); }
table.times tbody th { color: var(--ink); } table.times th.backward { color: var(--mark); } table.times th.recomputed { color: var(--again); }
td.bar { min-width: 110px; background: linear-gradient(to left, color-mix(in srgb, var(--accent) 30%, transparent) var(--share), transparent 0); }
.zoomable, .plot { margin: 12px 0 0; border: 1px solid var(--line); border-radius: 10px; background: var(--card); padding: 10px 12px; }
.tools { display: flex; gap: 6px; align-items: flex-start; font-size: 13px; }
.tools button { font: inherit; min-width: 32px; padding: 2px 8px; border: 1px solid var(--line); border-radius: 6px; background: var(--page); color: var(--ink); cursor: pointer; }
.tools output { flex: 1; color: var(--soft); overflow-wrap: anywhere; line-height: 1.45; height: 4.4em; overflow: hidden; }
@media (max-width: 620px) { .tools { flex-wrap: wrap; } .tools output { flex-basis: 100%; height: 7.3em; } }
.view { overflow-x: auto; overflow-y: hidden; } .view:focus-visible, .wide:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.content { position: relative; min-width: 100%; }
.lane { position: relative; height: 34px; border-bottom: 1px solid var(--line); }
.lane b { position: sticky; left: 0; display: inline-block; font-size: 12px; line-height: 15px; font-weight: 400; color: var(--soft); white-space: nowrap; max-width: 100%; overflow: hidden; text-overflow: ellipsis; }
.lane > i { position: absolute; bottom: 3px; height: 15px; min-width: 1px; border-radius: 1px; }
.life { height: 26px; } .life > i { height: 7px; bottom: 2px; } .life > i.read { height: 11px; bottom: 0; min-width: 2px; }
.life > i.saved, .life > i.transient, .life > i.streamed { opacity: 0.45; border-radius: 3px; }
.axis { position: relative; height: 20px; font-size: 11px; color: var(--soft); font-variant-numeric: tabular-nums; }
.axis span { position: absolute; border-left: 1px solid var(--line); padding-left: 4px; white-space: nowrap; }
.flame .content > div { position: relative; }
.flame i { position: absolute; height: 20px; box-sizing: border-box; border-right: 1px solid var(--card); overflow: hidden; white-space: nowrap;
  text-overflow: ellipsis; font: 12px/20px system-ui, sans-serif; color: var(--block-ink); text-indent: 4px; cursor: zoom-in; }
.flame i.all { background: var(--soft); color: var(--page); } .flame i.op { opacity: 0.78; }
.memory svg { display: block; width: 100%; height: 120px; } polygon.saved { fill: var(--mark); } polygon.transient { fill: var(--soft); opacity: 0.6; }
i.chosen, circle.chosen { outline: 2px solid var(--ink); outline-offset: 0; z-index: 1; } circle.chosen { stroke: var(--ink); stroke-width: 2; outline: 0; fill-opacity: 0.9; }
.plot svg { display: block; width: 100%; min-width: 640px; height: auto; } .plot text { font-size: 12px; fill: var(--soft); font-variant-numeric: tabular-nums; }
.plot text.name { fill: var(--ink); font-size: 11px; pointer-events: none; paint-order: stroke; stroke: var(--card); stroke-width: 3px; } .roof { fill: none; stroke: var(--ink); stroke-width: 1.5; }
circle.kernel { fill: var(--accent); fill-opacity: 0.45; stroke: var(--accent); }
`;

/** Declares `bindProfile`: it describes the block under the pointer or chosen by the arrow keys, zooms, and shows one of the tables. */
export const PROFILE_SCRIPT = `
function bindProfile() {
const tips = JSON.parse(document.getElementById('dispatches').textContent);
const tipOf = (block) => block.dataset.tip ?? tips[Number(block.dataset.d)] ?? '';
for (const figure of document.querySelectorAll('.zoomable, .plot')) {
  const view = figure.querySelector('.view'), content = figure.querySelector('.content'), output = figure.querySelector('output');
  const blocks = [...view.querySelectorAll('[data-d], [data-tip]')];
  let chosen = -1, zoom = 1;
  const choose = (i, follow) => {
    blocks[chosen]?.classList.remove('chosen'); chosen = i; const block = blocks[i]; if (!block) return;
    block.classList.add('chosen'); output.textContent = tipOf(block);
    if (follow && content) { const b = block.getBoundingClientRect(), v = view.getBoundingClientRect();
      if (b.left < v.left || b.right > v.right) view.scrollLeft += b.left - v.left - v.width / 3; } };
  const zoomTo = (next, x) => { if (!content) return;
    const at = (view.scrollLeft + x) / (view.clientWidth * zoom);
    zoom = Math.min(400, Math.max(1, next)); content.style.width = 100 * zoom + '%';
    view.scrollLeft = at * view.clientWidth * zoom - x; };
  view.addEventListener('pointerover', (event) => { const block = event.target.closest('[data-d], [data-tip]'); if (block) choose(blocks.indexOf(block)); });
  view.addEventListener('keydown', (event) => {
    const moves = { ArrowRight: chosen + 1, ArrowLeft: chosen - 1, Home: 0, End: blocks.length - 1 };
    if (event.key in moves) { choose(Math.min(blocks.length - 1, Math.max(0, moves[event.key])), true); event.preventDefault(); }
    else if (event.key === '+' || event.key === '-') zoomTo(zoom * (event.key === '+' ? 2 : 0.5), view.clientWidth / 2); });
  view.addEventListener('wheel', (event) => { if (!event.ctrlKey || !content) return; event.preventDefault();
    zoomTo(zoom * Math.exp(-event.deltaY / 300), event.clientX - view.getBoundingClientRect().left); }, { passive: false });
  for (const button of figure.querySelectorAll('[data-zoom]')) button.addEventListener('click', () =>
    zoomTo({ in: zoom * 2, out: zoom / 2, all: 1 }[button.dataset.zoom], view.clientWidth / 2));
  if (figure.classList.contains('flame')) view.addEventListener('click', (event) => {
    const block = event.target.closest('[data-tip]'); if (!block) return;
    const left = parseFloat(block.style.left), width = parseFloat(block.style.width);
    zoomTo(100 / width, 0); view.scrollLeft = (left / 100) * view.clientWidth * zoom; });
}
for (const input of document.querySelectorAll('input[name=by]')) input.addEventListener('change', () => {
  for (const table of document.querySelectorAll('[data-by]')) table.hidden = table.dataset.by !== input.value; });
}
`;
