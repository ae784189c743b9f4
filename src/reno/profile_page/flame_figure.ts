/** The tree of modules: each as wide as the time of its dispatches, its parts below it. */
import { moduleParts } from '../../tensor/profile/dispatch_times.ts';
import type { Direction, Profile } from '../../tensor/profile/profile.ts';
import { median } from '../../tensor/tuning/median.ts';
import { escapeHtml } from '../report/html.ts';
import { dispatchCount, microseconds, percent, zoomable } from './profile_figures.ts';

interface Module {
  readonly name: string;
  readonly direction: Direction;
  readonly children: Map<string, Module>;
  ns: number;
  count: number;
}

const ROW_PX = 21;
/** Blocks of a lower share of the time are left out. */
const SMALLEST = 2e-4;

export function flameFigure(profile: Profile): string {
  const root: Module = { name: 'step', direction: 'forward', children: new Map(), ns: 0, count: 0 };
  for (const dispatch of profile.dispatches) {
    const ns = median(dispatch.ns);
    let module = root;
    for (const name of ['', ...moduleParts(dispatch), dispatch.op]) {
      if (name !== '') {
        const known: Module = module.children.get(name) ?? {
          name,
          direction: dispatch.direction,
          children: new Map(),
          ns: 0,
          count: 0,
        };
        module.children.set(name, known);
        module = known;
      }
      module.ns += ns;
      module.count++;
    }
  }
  const blocks: string[] = [];
  const depth = draw(root, 0, 0, root.ns, '', blocks);
  const label = `Flame view: ${microseconds(root.ns)} of dispatches by module path, ${depth} levels`;
  return zoomable('flame', label, `<div style="height:${depth * ROW_PX}px">${blocks.join('\n')}</div>`);
}

/** Adds the blocks of a module. @param from nanoseconds to its left @returns the number of levels */
function draw(module: Module, level: number, from: number, total: number, parents: string, blocks: string[]): number {
  const path = parents === '' ? module.name : `${parents}.${module.name}`;
  const [left, width] = [from / total, module.ns / total].map((share) => Number((100 * share).toFixed(4)));
  const tip = `${path} · ${microseconds(module.ns)} · ${percent(module.ns / total)} · ${dispatchCount(module.count)}`;
  const css = level === 0 ? 'all' : module.children.size === 0 ? `${module.direction} op` : module.direction;
  blocks.push(
    `<i class="${css}" data-tip="${escapeHtml(tip)}" style="left:${left}%;width:${width}%;top:${level * ROW_PX}px">${escapeHtml(module.name)}</i>`,
  );
  let levels = level + 1;
  let x = from;
  for (const child of module.children.values()) {
    if (child.ns / total >= SMALLEST) {
      levels = Math.max(levels, draw(child, level + 1, x, total, level === 0 ? '' : path, blocks));
    }
    x += child.ns;
  }
  return levels;
}
