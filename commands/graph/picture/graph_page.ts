/** graph.html: one file that shows the passes in any browser, without network. */
import { escapeHtml } from '../../../src/reno/report/html.ts';
import { REPORT_STYLE } from '../../../src/reno/report/report_style.ts';
import { PASSES, type Pass } from '../passes.ts';
import { moduleWords, placesOf, readersOf } from './followed_value.ts';
import { type GraphData, graphViewer, type ViewerParts } from './graph_viewer.ts';
import { layeredLayout } from './layered_layout.ts';
import { moduleKey, moduleTree, placeModules } from './module_tree.ts';

const STYLE = `
main { max-width: none; padding: 20px 24px; } h1 { font-size: 24px; } h2 { margin: 12px 0 4px; overflow-wrap: anywhere; } h3 { font-size: 14px; margin: 16px 0 4px; }
:root { --forward: #0b6e4f; --backward: #9a3412; } @media (prefers-color-scheme: dark) { :root { --forward: #4cc38a; --backward: #fb923c; } }
nav, form { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin: 12px 0; }
button, input { font: inherit; font-size: 13px; color: var(--ink); background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: 3px 10px; text-align: left; }
button { cursor: pointer; } [aria-pressed="true"] { border-color: var(--forward); color: var(--forward); font-weight: 650; }
:is(button, input, g):focus-visible { outline: 2px solid var(--forward); outline-offset: 2px; }
.columns { display: grid; grid-template-columns: minmax(0, 1fr) 360px; gap: 16px; }
#picture { overflow: auto; height: 72vh; border: 1px solid var(--line); border-radius: 10px; background: var(--card); }
#side { overflow: auto; height: 72vh; font-size: 13px; } #side p { margin: 2px 0; overflow-wrap: anywhere; } #side button { margin: 2px 2px 2px 0; }
.step { border-left: 3px solid var(--line); padding-left: 10px; margin: 8px 0; } .step.now { border-color: var(--forward); }
svg text { font: 12px ui-monospace, Consolas, "DejaVu Sans Mono", monospace; fill: var(--ink); } svg .type { font-size: 10px; fill: var(--soft); }
g.node, g.module { cursor: pointer; } g > rect { fill: var(--page); stroke: var(--forward); stroke-width: 1.2; }
.backward > rect { stroke: var(--backward); } .module > rect { fill: var(--card); stroke-width: 2; } .module.open > rect { fill: none; pointer-events: all; stroke-width: 1; stroke-opacity: 0.6; }
.fused > rect { stroke-width: 3; } .recomputed > rect { stroke-dasharray: 5 3; } .marked > rect { fill: var(--mark); fill-opacity: 0.35; }
path { fill: none; stroke: var(--soft); stroke-opacity: 0.35; } path.chosen { stroke: var(--mark); stroke-opacity: 1; stroke-width: 2; }
#liveness svg { width: 100%; height: 90px; display: block; background: var(--card); border: 1px solid var(--line); }
.saved { fill: var(--backward); color: var(--backward); } .transient { fill: var(--forward); color: var(--forward); } .streamed { fill: #6d6aa8; color: #6d6aa8; }
.life { fill: var(--mark); fill-opacity: 0.35; } .key { display: inline-block; margin: 4px 16px 0 0; font-size: 13px; } .key::before { content: "■ "; }
.legend span { margin-right: 16px; }
@media (max-width: 900px) { .columns { grid-template-columns: 1fr; } #side { height: auto; } }
`;

const PARTS: ViewerParts = { layeredLayout, moduleTree, moduleKey, placeModules, placesOf, readersOf, moduleWords };

/** Returns the page. @param tensor key of the traced tensor that is selected at first */
export function graphPage(passes: readonly Pass[], model: string, tensor: string | null): string {
  const program = [...Object.values(PARTS), graphViewer].map(String).join('\n');
  const parts = Object.entries(PARTS).map(([name, value]) => `${name}: ${value.name}`);
  const title = escapeHtml(`The graph of ${model}`);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title><style>${REPORT_STYLE}${STYLE}</style></head><body><main>
<h1>${title}</h1>
<nav id="passes" aria-label="Passes"></nav>
<p id="about" class="facts"></p>
<form id="find"><label>Find <input id="text" type="search" placeholder="module, op or #id"></label><button>Find</button>
<button type="button" id="fold">Fold all</button><button type="button" id="in">Larger</button><button type="button" id="out">Smaller</button>
<label><input id="load" type="checkbox"> what runs once, when the weights are loaded</label></form>
<div class="columns"><div id="picture" role="region" tabindex="0" aria-label="The graph"></div><div id="side" role="region" tabindex="0" aria-label="The chosen tensor"></div></div>
<p class="legend"><span style="color:var(--forward)">■ forward</span><span style="color:var(--backward)">■ backward</span><span>thick: fused</span><span>dashed: recomputed</span></p>
<div id="liveness" hidden></div>
</main>
<script type="application/json" id="data">${JSON.stringify(dataOf(passes, tensor)).replaceAll('<', '\\u003c')}</script>
<script>
const __name = (f) => f;
${program}
${graphViewer.name}(JSON.parse(document.getElementById('data').textContent), { ${parts.join(', ')} });
</script></body></html>
`;
}

function dataOf(passes: readonly Pass[], tensor: string | null): GraphData {
  const weights: Record<string, string> = {};
  for (const { id, kind, label, outputs } of passes.flatMap(({ nodes }) => nodes)) {
    if (kind === 'weight' || kind === 'constant') {
      weights[id] = `${label} ${outputs[0]}`;
    }
  }
  return {
    weights,
    tensor,
    passes: passes.map(({ name, nodes, into, moved, steps, live }) => ({
      name,
      title: PASSES[name],
      start: steps[0],
      end: steps[1],
      nodes: nodes.filter(({ id }) => weights[id] === undefined),
      into: [...into],
      moved: [...moved],
      live: Object.fromEntries(
        [...live].map(([key, lives]) => [
          key,
          lives.map(({ from, to, bytes, kind, buffer }) => [from, to, bytes, kind, buffer] as const),
        ]),
      ),
    })),
  };
}
