/** Passes and followed tensors as text. */
import { sizeWords } from '../../src/tensor/size_words.ts';
import { STAGES } from '../../src/tensor/types.ts';
import { table } from '../common/table.ts';
import type { Followed } from './follow.ts';
import { type Lived, PASSES, type Pass, type PassNode } from './passes.ts';
import { moduleWords } from './picture/followed_value.ts';

/** A pass in numbers: of its nodes that compute something. */
export interface PassRow {
  readonly pass: string;
  readonly nodes: number;
  readonly forward: number;
  readonly backward: number;
  readonly load: number;
  readonly prompt: number;
  readonly step: number;
  /** Nodes of the pass before that others compute now. */
  readonly fused: number;
  readonly added: number;
  readonly removed: number;
  readonly recomputed: number;
}

export function passRow({ name, nodes, into, added, removed }: Pass): PassRow {
  const ops = nodes.filter(({ kind }) => kind === 'op');
  const count = (wanted: (node: PassNode) => boolean): number => ops.filter(wanted).length;
  const [load = 0, prompt = 0, step = 0] = STAGES.map((stage) => count((node) => node.stage === stage));
  return {
    pass: name,
    nodes: ops.length,
    forward: count(({ backward }) => !backward),
    backward: count(({ backward }) => backward),
    ...{ load, prompt, step, fused: into.size, added: added.length, removed: removed.length },
    recomputed: count(({ recomputed }) => recomputed),
  };
}

/** The passes as a table. */
export function describePasses(rows: readonly PassRow[]): string[] {
  const numbers = ['nodes', 'forward', 'backward', ...STAGES, 'fused', 'added', 'removed', 'recomputed'] as const;
  return table(
    ['after', ...numbers],
    rows.map((row) => [row.pass, ...numbers.map((name) => String(row[name]))]),
  );
}

/** The number of computing nodes of each module down to `depth` names, in the first and in the last pass. */
export function describeModules(first: Pass, last: Pass, depth: number): string[] {
  const counts = new Map<string, [number, number, number, number]>();
  for (const [place, pass] of [first, last].entries()) {
    for (const { path, backward } of pass.nodes.filter(({ kind }) => kind === 'op')) {
      const module = path.split('.').slice(0, depth).join('.') || '(none)';
      const row = counts.get(module) ?? [0, 0, 0, 0];
      row[2 * place + Number(backward)] = (row[2 * place + Number(backward)] ?? 0) + 1;
      counts.set(module, row);
    }
  }
  const names = [first.name, last.name];
  return table(
    ['module', ...names.flatMap((name) => [`${name}: forward`, 'backward'])],
    [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([module, row]) => [module, ...row.map(String)]),
  );
}

/** Every node of a pass in a line: position, id, stage, op, type, what it reads, module, and its memory. */
export function describePass({ name, nodes, live }: Pass): string[] {
  return [
    `${name}: ${PASSES[name]}`,
    ...nodes.map((node) => {
      const { id, position, stage, outputs, inputs, kernels } = node;
      const reads = inputs.length > 0 ? ` <- ${inputs.map((key) => `#${key}`).join(' ')}` : '';
      const memory = outputs.flatMap((_, i) => (live.get(`${id}.${i}`) ?? []).map((life) => `; ${describeLife(life)}`));
      const runs = kernels ? `; ${kernels.join(', ')}` : '';
      return `${position} #${id} ${stage} ${node.label} ${outputs.join(' ')}${reads} in ${moduleWords(node)}${runs}${memory.join('')}`;
    }),
  ];
}

const describeLife = ({ from, to, bytes, kind, buffer, offset }: Lived): string =>
  `lives from ${from} to ${to} (${kind}), ${sizeWords(bytes)} in ${buffer}${offset > 0 ? ` from byte ${offset}` : ''}`;

const SHOWN_READERS = 6;

function describeReaders(readers: readonly PassNode[], how: string): string {
  const shown = readers.slice(0, SHOWN_READERS).map((node) => `#${node.id} ${node.label} in ${moduleWords(node)}`);
  const more = readers.length > SHOWN_READERS ? `, and ${readers.length - SHOWN_READERS} more` : '';
  return readers.length === 0 ? `no ${how} node reads it` : `${how}: ${shown.join('; ')}${more}`;
}

/** A followed tensor, with a paragraph for the passes that left it as it was. */
export function describeFollowed(steps: readonly Followed[]): string[] {
  const paragraphs: { readonly passes: string[]; readonly lines: readonly string[] }[] = [];
  for (const step of steps) {
    const lines = describeStep(step);
    const last = paragraphs.at(-1);
    if (last && last.lines.join('\n') === lines.join('\n')) {
      last.passes.push(step.pass);
    } else {
      paragraphs.push({ passes: [step.pass], lines });
    }
  }
  return paragraphs.flatMap(({ passes, lines: [first = '', ...rest] }) => [`${passes.join(', ')}: ${first}`, ...rest]);
}

function describeStep({ key, maker, forward, backward, live }: Followed): string[] {
  if (!maker) {
    return ['it is gone; nothing reads it any more, or the upload of its weights takes its place'];
  }
  if (key === null) {
    return [`computed inside #${maker.id} ${maker.label} in ${moduleWords(maker)}; no memory holds it`];
  }
  const made = maker.kind === 'op' || maker.kind === 'view' ? 'made by' : `a ${maker.kind}:`;
  return [
    `#${key} ${maker.outputs[Number(key.split('.')[1])] ?? ''}, ${made} #${maker.id} ${maker.label} in ${moduleWords(maker)}`,
    `  ${describeReaders(forward, 'forward')}`,
    `  ${describeReaders(backward, 'backward')}`,
    ...live.map((life) => `  ${describeLife(life)}`),
  ];
}
