/** Groups the nodes of a pass by module, and places what is open. These functions also run in graph.html. */
import type { PassNode } from '../passes.ts';
import type { Box, Placed } from './layered_layout.ts';

/** A node as the page has it. */
export type ShownNode = Omit<PassNode, 'position'>;

/** A module, forward or backward: its own nodes and the modules in it. */
export interface Module {
  /** Such as `forward/generator/unet`, the same in every pass. */
  readonly key: string;
  readonly name: string;
  readonly modules: Map<string, Module>;
  readonly nodes: ShownNode[];
  /** Number of nodes in it and in the modules in it. */
  count: number;
  /** Place in the order of execution of its first node of the step stage; of its first node where it has none of that stage. */
  order: number;
  hasSteps: boolean;
}

/** A box of the picture: a node, or a module that is folded (no children) or open. */
export interface Shape {
  readonly key: string;
  readonly node?: ShownNode;
  readonly module?: Module;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly open: boolean;
}

/** Returns the modules of a pass as a tree whose first level is `forward` and `backward`. */
export function moduleTree(nodes: readonly ShownNode[]): Module {
  const make = (key: string, name: string, order: number): Module => {
    return { key, name, modules: new Map(), nodes: [], count: 0, order, hasSteps: false };
  };
  const root = make('', '', 0);
  for (const [order, node] of nodes.entries()) {
    let module = root;
    root.count++;
    for (const name of moduleKey(node).split('/')) {
      const key = module.key === '' ? name : `${module.key}/${name}`;
      const inner = module.modules.get(name) ?? make(key, name, order);
      module.modules.set(name, inner);
      module = inner;
      module.count++;
      if (node.stage === 'step' && !module.hasSteps) {
        module.order = order;
        module.hasSteps = true;
      }
    }
    module.nodes.push(node);
  }
  return root;
}

/** Returns the key of the module that a node belongs to. */
export function moduleKey({ backward, path }: ShownNode): string {
  return [backward ? 'backward' : 'forward', ...(path === '' ? [] : path.split('.'))].join('/');
}

/**
 * Places all that is visible: open modules with what is in them, the others as one box.
 * @param isOpen whether a module shows what is in it
 * @param place the layout of boxes, `layeredLayout`
 * @returns the shapes, outer ones first, and for each node the key of the visible box that shows it
 */
export function placeModules(
  root: Module,
  nodes: readonly ShownNode[],
  isOpen: (module: Module) => boolean,
  place: (boxes: readonly Box[], edges: readonly (readonly [number, number])[], most: number) => Placed,
): { shapes: Shape[]; shownAt: Map<number, string>; width: number; height: number } {
  const title = 26;
  const padding = 12;
  const positions = new Map(nodes.map((node, i) => [node.id, i]));
  /** For each node, the chain of its modules from the outermost that is open down to the box that shows it. */
  const chains = new Map<number, string[]>();
  const visit = (module: Module, chain: string[]): void => {
    for (const node of module.nodes) {
      chains.set(node.id, [...chain, `#${node.id}`]);
    }
    for (const inner of module.modules.values()) {
      const next = [...chain, inner.key];
      if (isOpen(inner)) {
        visit(inner, next);
      } else {
        markAll(inner, next);
      }
    }
  };
  const markAll = (module: Module, chain: string[]): void => {
    for (const node of module.nodes) {
      chains.set(node.id, chain);
    }
    for (const inner of module.modules.values()) {
      markAll(inner, chain);
    }
  };
  visit(root, []);
  /** Edges between the children of each open module, by the module's key. */
  const edges = new Map<string, Map<string, readonly [string, string]>>();
  for (const node of nodes) {
    const to = chains.get(node.id) ?? [];
    for (const input of node.inputs) {
      const from = chains.get(Number(input.split('.')[0]));
      if (!from) {
        continue;
      }
      let depth = 0;
      while (depth < from.length && from[depth] === to[depth]) {
        depth++;
      }
      const pair = [from[depth] ?? '', to[depth] ?? ''] as const;
      if (pair[0] !== '' && pair[1] !== '') {
        const owner = depth === 0 ? '' : (to[depth - 1] ?? '');
        edges.set(owner, (edges.get(owner) ?? new Map()).set(pair.join(' '), pair));
      }
    }
  }
  const boxOf = (module: Module): { width: number; height: number; shapes: Shape[] } => {
    const children = [
      ...module.nodes.map((node) => ({ key: `#${node.id}`, node, order: positions.get(node.id) ?? 0 })),
      ...[...module.modules.values()].map((inner) => ({ key: inner.key, module: inner, order: inner.order })),
    ];
    const inside = children.map((child) => {
      if ('module' in child && isOpen(child.module)) {
        return boxOf(child.module);
      }
      const isModule = 'module' in child;
      const text = isModule ? `▸ ${child.module.name} (${child.module.count})` : child.node.label;
      const type = isModule ? '' : (child.node.outputs[0] ?? '');
      const width = Math.min(260, 20 + Math.max(text.length * 7.3, type.length * 6.1));
      return { width, height: isModule ? 30 : 38, shapes: [] };
    });
    const index = new Map(children.map(({ key }, i) => [key, i]));
    const pairs = [...(edges.get(module.key)?.values() ?? [])].map(([from, to]): [number, number] => [
      index.get(from) ?? 0,
      index.get(to) ?? 0,
    ]);
    const placed = place(
      children.map((child, i) => ({
        width: inside[i]?.width ?? 0,
        height: inside[i]?.height ?? 0,
        order: child.order,
      })),
      pairs,
      1500,
    );
    const shapes: Shape[] = children.flatMap((child, i) => {
      const [x, y] = placed.corners[i] ?? [0, 0];
      const { width = 0, height = 0, shapes: inner = [] } = inside[i] ?? {};
      const at = { x: x + padding, y: y + title + padding };
      const own = { key: child.key, ...at, width, height, open: inner.length > 0 };
      return [
        'module' in child ? { ...own, module: child.module } : { ...own, node: child.node },
        ...inner.map((shape) => ({ ...shape, x: shape.x + at.x, y: shape.y + at.y })),
      ];
    });
    const name = 60 + module.name.length * 8;
    return {
      width: Math.max(placed.width, name) + 2 * padding,
      height: placed.height + title + 2 * padding,
      shapes,
    };
  };
  const { shapes, width, height } = boxOf(root);
  const shownAt = new Map([...chains].map(([id, chain]) => [id, chain[chain.length - 1] ?? '']));
  return { shapes, shownAt, width, height };
}
