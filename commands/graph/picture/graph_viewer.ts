/** The program of graph.html. It is embedded as text, so it uses only its parameters and the page. */
import type { moduleWords, placesOf, readersOf, ValuePlace } from './followed_value.ts';
import type { layeredLayout } from './layered_layout.ts';
import type { Module, moduleKey, moduleTree, placeModules, Shape, ShownNode } from './module_tree.ts';

/** A pass as the page has it. */
interface ShownPass {
  readonly name: string;
  readonly title: string;
  readonly nodes: readonly ShownNode[];
  /** Entries of the maps of the same names of a pass. */
  readonly into: readonly (readonly [number, number])[];
  readonly moved: readonly (readonly [string, string])[];
  /** Positions of the first node of the step stage and after the last node. */
  readonly start: number;
  readonly end: number;
  /** From, to, bytes, kind and buffer of each life of a value. */
  readonly live: Readonly<Record<string, readonly (readonly [number, number, number, string, string])[]>>;
}

/** The data of the page. */
export interface GraphData {
  readonly passes: readonly ShownPass[];
  /** Name and type of weights and constants, by id. */
  readonly weights: Readonly<Record<string, string>>;
  /** The tensor that is selected at first. */
  readonly tensor: string | null;
}

/** The functions that are embedded beside the viewer, which calls them. */
export interface ViewerParts {
  readonly layeredLayout: typeof layeredLayout;
  readonly moduleTree: typeof moduleTree;
  readonly moduleKey: typeof moduleKey;
  readonly placeModules: typeof placeModules;
  readonly placesOf: typeof placesOf;
  readonly readersOf: typeof readersOf;
  readonly moduleWords: typeof moduleWords;
}

/** Shows the passes in the page. */
export function graphViewer(data: GraphData, parts: ViewerParts): void {
  const svgNames = 'http://www.w3.org/2000/svg';
  const find = (id: string): HTMLElement => document.getElementById(id) ?? document.body;
  const picture = find('picture');
  const side = find('side');
  const open = new Set(['forward', 'backward', 'forward/generator', 'backward/generator']);
  let current = 0;
  /** The key of the selected tensor in the first pass, or in the pass in which it first is. */
  let selected: { readonly pass: number; readonly key: string } | null = null;
  /** The selected tensor in each pass; empty where none is selected. */
  let places: readonly ValuePlace<ShownNode>[] = [];
  let zoom = 1;

  const followable = data.passes.map(({ nodes, into, moved }) => ({
    nodes,
    into: new Map(into),
    moved: new Map(moved),
  }));
  const pass = (): ShownPass => data.passes[current] as ShownPass;
  const wantsLoad = (): boolean => (find('load') as HTMLInputElement).checked;
  const shownNodes = (one: ShownPass): readonly ShownNode[] =>
    one.nodes.filter(({ stage }) => stage !== 'load' || wantsLoad());

  const svg = (name: string, attributes: Readonly<Record<string, string | number>>, text?: string): SVGElement => {
    const made = document.createElementNS(svgNames, name);
    for (const [key, value] of Object.entries(attributes)) {
      made.setAttribute(key, String(value));
    }
    if (text !== undefined) {
      made.textContent = text;
    }
    return made;
  };
  const html = (name: string, text = '', className = ''): HTMLElement => {
    const made = document.createElement(name);
    made.textContent = text;
    made.className = className;
    return made;
  };
  const button = (text: string, act: () => void): HTMLElement => {
    const made = html('button', text);
    made.addEventListener('click', act);
    return made;
  };
  /** Makes a shape a button for mouse and keyboard. `label`: its name, where that is not its text. */
  const pressable = (shape: SVGElement, label: string | null, act: () => void): void => {
    shape.setAttribute('tabindex', '0');
    shape.setAttribute('role', 'button');
    if (label !== null) {
      shape.setAttribute('aria-label', label);
    }
    shape.addEventListener('click', (event) => {
      event.stopPropagation();
      act();
    });
    shape.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' || event.key === ' ') {
        event.preventDefault();
        act();
      }
    });
  };

  /** Opens the modules around a node, and selects its first output. */
  const reveal = (node: ShownNode, inPass: number, key = `${node.id}.0`): void => {
    current = inPass;
    const names = parts.moduleKey(node).split('/');
    for (let depth = 1; depth <= names.length; depth++) {
      open.add(names.slice(0, depth).join('/'));
    }
    const first = data.passes.findIndex((one) => one.nodes.some(({ id }) => id === node.id));
    selected = { pass: Math.max(0, first), key };
    draw();
    document.getElementById(`box-${node.id}`)?.scrollIntoView({ block: 'center', inline: 'center' });
  };
  const toggle = (module: Module): void => {
    if (open.has(module.key)) {
      open.delete(module.key);
    } else {
      open.add(module.key);
    }
    draw();
    document.getElementById(`box-${module.key}`)?.focus();
  };

  const drawShape = (layer: SVGElement, shape: Shape, marked: string | undefined): void => {
    const { key, x, y, width, height, node, module } = shape;
    const isBackward = node ? node.backward : key.startsWith('backward');
    const kind = [
      node ? 'node' : shape.open ? 'module open' : 'module',
      isBackward ? 'backward' : 'forward',
      node?.recomputed ? 'recomputed' : '',
      (node?.traced.length ?? 1) > 1 ? 'fused' : '',
      key === marked ? 'marked' : '',
    ];
    const group = svg('g', { class: kind.join(' '), transform: `translate(${x},${y})` });
    group.id = node ? `box-${node.id}` : `box-${key}`;
    group.append(svg('rect', { width, height, rx: 6 }));
    const room = Math.floor((width - 14) / 7.3);
    const label = node?.label ?? `${shape.open ? '▾' : '▸'} ${module?.name ?? ''} (${module?.count ?? 0})`;
    const shown = label.length > room ? `${label.slice(0, room - 1)}…` : label;
    group.append(svg('text', { x: 8, y: 18 }, shown));
    if (node) {
      const type = (node.outputs[0] ?? '').slice(0, Math.floor((width - 14) / 6.1));
      group.append(svg('text', { x: 8, y: 32, class: 'type' }, type));
      group.append(
        svg('title', {}, `#${node.id} ${node.label}\n${node.outputs.join(' ')}\n${parts.moduleWords(node)}`),
      );
      pressable(group, null, () => reveal(node, current));
    } else if (module) {
      pressable(group, `${shape.open ? 'fold' : 'open'} ${module.key}`, () => toggle(module));
    }
    layer.append(group);
  };

  const drawEdges = (
    layer: SVGElement,
    shapes: ReadonlyMap<string, Shape>,
    shownAt: ReadonlyMap<number, string>,
  ): void => {
    const lines = new Map<string, string>();
    const chosen = Number(places[current]?.key?.split('.')[0]);
    for (const node of shownNodes(pass())) {
      for (const input of node.inputs) {
        const source = Number(input.split('.')[0]);
        const [from, to] = [shapes.get(shownAt.get(source) ?? ''), shapes.get(shownAt.get(node.id) ?? '')];
        if (from && to && from !== to) {
          const [x1, y1] = [from.x + from.width / 2, from.y + from.height];
          const [x2, y2] = [to.x + to.width / 2, to.y];
          const bend = y2 > y1 ? (y2 - y1) / 2 : 40;
          const line = `M${x1},${y1} C${x1},${y1 + bend} ${x2},${y2 - bend} ${x2},${y2}`;
          const isChosen = source === chosen || lines.get(line) === 'chosen';
          lines.set(line, isChosen ? 'chosen' : 'edge');
        }
      }
    }
    for (const [d, kind] of lines) {
      layer.append(svg('path', { d, class: kind }));
    }
  };

  const drawPicture = (): void => {
    const nodes = shownNodes(pass());
    const tree = parts.moduleTree(nodes);
    const { shapes, shownAt, width, height } = parts.placeModules(
      tree,
      nodes,
      ({ key }) => open.has(key),
      parts.layeredLayout,
    );
    const canvas = svg('svg', { width: width * zoom, height: height * zoom, viewBox: `0 0 ${width} ${height}` });
    const now = places[current]?.node;
    const marked = now && shownAt.get(now.id);
    // Open modules lie below the edges, all else above.
    const below = svg('g', {});
    const between = svg('g', {});
    const above = svg('g', {});
    for (const shape of shapes) {
      drawShape(shape.open ? below : above, shape, marked);
    }
    drawEdges(between, new Map(shapes.map((shape) => [shape.key, shape])), shownAt);
    canvas.append(below, between, above);
    picture.replaceChildren(canvas);
  };

  const sizeOf = (bytes: number): string =>
    bytes < 2 ** 20 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;

  /** The weights and constants that a node reads, through what the load stage makes of them. */
  const weightsOf = ({ inputs }: ShownNode): string[] =>
    inputs.flatMap((key) => {
      const id = key.split('.')[0] ?? '';
      const weight = data.weights[id];
      const made = pass().nodes.find((node) => String(node.id) === id && node.stage === 'load');
      return weight !== undefined ? [weight] : made ? weightsOf(made) : [];
    });

  const drawSide = (): void => {
    side.replaceChildren();
    const chosen = places[current]?.node;
    if (!selected) {
      side.append(
        html(
          'p',
          'Choose a node to follow its tensor through all passes. A module opens and folds at a click.',
          'facts',
        ),
      );
      return;
    }
    if (chosen) {
      side.append(
        html('h2', `#${chosen.id} ${chosen.label}`),
        html('p', `${chosen.outputs.join(' ')}, ${parts.moduleWords(chosen)}`),
      );
      const weights = weightsOf(chosen);
      const facts = [
        ...(chosen.traced.length > 1
          ? [`computes ${chosen.traced.length} traced nodes: ${chosen.traced.map((id) => `#${id}`).join(' ')}`]
          : []),
        ...(weights.length > 0 ? [`reads ${weights.join(', ')}`] : []),
        ...(chosen.kernels ? [`runs as ${chosen.kernels.join(', ')}`] : []),
      ];
      side.append(...facts.map((fact) => html('p', fact, 'facts')));
    }
    side.append(html('h3', `The tensor #${selected.key} in each pass`));
    const blocks: { readonly text: string; readonly block: HTMLElement; readonly passes: HTMLElement }[] = [];
    for (const [i, { key, node }] of places.entries()) {
      const one = data.passes[i];
      if (!one || i < selected.pass) {
        continue;
      }
      const content = describeStep(one, i, key, node);
      const text = content.map((part) => part.textContent).join('\n');
      const tab = button(one.name, () => (node ? reveal(node, i, selected?.key) : show(i)));
      let last = blocks[blocks.length - 1];
      if (last?.text !== text) {
        last = { text, block: html('div', '', 'step'), passes: html('div') };
        last.block.append(last.passes, ...content);
        side.append(last.block);
        blocks.push(last);
      }
      last.passes.append(tab);
      if (i === current) {
        last.block.classList.add('now');
      }
    }
  };
  /** Describes the selected tensor in one pass: its readers and its memory, or what became of it. */
  const describeStep = (one: ShownPass, i: number, key: string | null, node: ShownNode | undefined): HTMLElement[] => {
    if (!node) {
      return [html('p', 'gone: nothing computes it any more, or the upload of its weights takes its place')];
    }
    if (key === null) {
      return [html('p', `inside #${node.id} ${node.label}; no memory holds it`)];
    }
    const readers = parts.readersOf(one.nodes, key);
    const read = (['forward', 'backward'] as const).map((name) => {
      const some = readers.filter(({ backward }) => backward === (name === 'backward'));
      const row = html('p', some.length > 0 ? `read ${name} by ` : `no ${name} node reads it`);
      row.append(...some.slice(0, 8).map((reader) => button(`#${reader.id} ${reader.label}`, () => reveal(reader, i))));
      return row;
    });
    const lives = (one.live[key] ?? []).map(([from, to, bytes, kind, buffer]) =>
      html('p', `lives from ${from} to ${to} (${kind}), ${sizeOf(bytes)} in ${buffer}`),
    );
    return [...read, ...lives];
  };

  /** Bytes that are live at each position, by kind, with the life of the selected tensor. */
  const drawLiveness = (): void => {
    const strip = find('liveness');
    const { live, start, end } = pass();
    const lives = Object.values(live)
      .flat()
      .filter(([from]) => from >= start);
    strip.hidden = lives.length === 0;
    if (strip.hidden) {
      return;
    }
    const columns = 600;
    const column = (position: number): number =>
      Math.max(0, Math.min(columns - 1, Math.floor(((position - start) * columns) / (end - start))));
    const kinds = ['saved', 'transient', 'streamed'];
    const totals = kinds.map((kind) => {
      const bytes = new Array<number>(columns).fill(0);
      for (const [from, to, size] of lives.filter((life) => life[3] === kind)) {
        for (let i = column(from); i <= column(to); i++) {
          bytes[i] = (bytes[i] ?? 0) + size;
        }
      }
      return bytes;
    });
    const peak = Math.max(
      1,
      ...Array.from({ length: columns }, (_, i) => totals.reduce((n, bytes) => n + (bytes[i] ?? 0), 0)),
    );
    const canvas = svg('svg', { viewBox: `0 0 ${columns} 80`, preserveAspectRatio: 'none' });
    const base = new Array<number>(columns).fill(0);
    for (const [k, bytes] of totals.entries()) {
      const edge = (): string[] => base.map((value, i) => `${i},${80 - (72 * value) / peak}`);
      const bottom = edge().reverse();
      for (const [i, value] of bytes.entries()) {
        base[i] = (base[i] ?? 0) + value;
      }
      canvas.append(svg('polygon', { points: [...edge(), ...bottom].join(' '), class: kinds[k] ?? '' }));
    }
    for (const [from, to] of live[places[current]?.key ?? ''] ?? []) {
      canvas.append(
        svg('rect', {
          x: column(from),
          width: Math.max(1, column(to) - column(from)),
          y: 0,
          height: 80,
          class: 'life',
        }),
      );
    }
    strip.replaceChildren(
      html(
        'p',
        `Live bytes of shared buffers in an iteration, over positions ${start} to ${end} of the schedule; most ${sizeOf(peak)} at once`,
        'facts',
      ),
      canvas,
      html('p', 'saved for the backward pass', 'key saved'),
      html('p', 'transient', 'key transient'),
      html('p', 'streamed weights', 'key streamed'),
    );
  };

  const drawTabs = (): void => {
    find('passes').replaceChildren(
      ...data.passes.map((one, i) => {
        const tab = button(one.name, () => show(i));
        tab.title = one.title;
        tab.setAttribute('aria-pressed', String(i === current));
        return tab;
      }),
    );
    const ops = pass().nodes.filter(({ kind }) => kind === 'op').length;
    find('about').textContent = `${pass().title}: ${ops} nodes that compute`;
  };
  const draw = (): void => {
    places = selected ? parts.placesOf(followable, selected.pass, selected.key) : [];
    drawTabs();
    drawPicture();
    drawSide();
    drawLiveness();
  };
  const show = (i: number): void => {
    current = i;
    draw();
  };

  find('find').addEventListener('submit', (event) => {
    event.preventDefault();
    const text = (find('text') as HTMLInputElement).value.trim().toLowerCase();
    const isMatch = ({ id, label, path }: ShownNode): boolean =>
      text === `#${id}` || `${path} ${label}`.toLowerCase().includes(text);
    const found = text === '' ? [] : pass().nodes.filter(isMatch);
    const shown = found
      .slice(0, 30)
      .map((node) => button(`#${node.id} ${node.label}, ${parts.moduleWords(node)}`, () => reveal(node, current)));
    side.replaceChildren(html('h2', `${found.length} found in ${pass().name}`), ...shown);
  });
  find('load').addEventListener('change', draw);
  find('fold').addEventListener('click', () => {
    open.clear();
    open.add('forward').add('backward');
    draw();
  });
  for (const [id, factor] of [
    ['in', 1.25],
    ['out', 0.8],
  ] as const) {
    find(id).addEventListener('click', () => {
      zoom *= factor;
      drawPicture();
    });
  }
  const first = data.passes[0]?.nodes.find(({ id }) => data.tensor?.split('.')[0] === String(id));
  if (first && data.tensor) {
    reveal(first, 0, data.tensor);
  } else {
    draw();
  }
}
