/** A plan report as text: sentences and tables. */
import { STAGES, type Stage } from '../../tensor/types.ts';
import type { Amounts, PlanReport, StageReport } from './plan_report.ts';
import { DISPATCH_SECONDS, type KernelTime } from './roofline.ts';

const PREFIXES: readonly (readonly [scale: number, prefix: string])[] = [
  [1e12, 'T'],
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
];

/** A number in three digits with a prefix: 134 MB, 8.39 GB. */
function amount(n: number, unit: string): string {
  const [scale, prefix] = PREFIXES.find(([from]) => n >= from) ?? [1, ''];
  return n === 0 ? '0' : `${Number((n / scale).toPrecision(3))} ${prefix}${unit}`;
}

export const bytesOf = (bytes: number): string => amount(bytes, 'B');
const flopsOf = (flops: number): string => amount(flops, 'FLOP');

const WHEN: Readonly<Record<Stage, string>> = { load: 'once', prompt: 'once a prompt', step: 'each iteration' };

export function summaryOf({ model, batch, size: [height, width], dtype, memory, stages }: PlanReport): string {
  const { flops, dispatches } = stages.step;
  return `${model} ${several(batch)}${width}×${height} ${dtype}: peak ${bytesOf(memory.peak)}, iteration ${flopsOf(flops)} in ${dispatches} dispatches`;
}

/** The beginning of a size where several pictures are made at once. */
const several = (batch: number): string => (batch === 1 ? '' : `${batch} × `);

export function describePlanned(plan: PlanReport): string {
  const rewards = Object.entries(plan.rewards).map(([name, weight]) => `${name} ${weight}`);
  const [height, width] = plan.size;
  const raised = plan.f32Modules.length === 0 ? '' : ` (f32 in ${plan.f32Modules.join(', ')})`;
  const bits = plan.weightBits === null ? '' : ` with weights of ${plan.weightBits} bits`;
  return [
    `${plan.model}, ${several(plan.batch)}${width}×${height}, ${plan.dtype}${raised}${bits}, ${plan.mode}, rewards ${rewards.join(', ')}; planned for ${plan.adapter}`,
    ...parameters(plan),
    ...work(plan),
    ...memory(plan),
    ...split(plan),
    ...rooflines(plan),
    ...kernels(plan),
    ...batches(plan),
    '',
  ].join('\n');
}

/** A title and rows of cells: the first column is aligned to the left, the others to the right. */
function table(title: string, rows: readonly (readonly string[])[]): string[] {
  const columns = Math.max(...rows.map((row) => row.length));
  const width = Array.from({ length: columns }, (_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  const lines = rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(width[i] ?? 0) : cell.padStart(width[i] ?? 0))).join('  '),
  );
  return ['', title, ...lines.map((line) => `  ${line.trimEnd()}`)];
}

const millions = (n: number): string => `${(n / 1e6).toFixed(2)} M`;

function parameters({ parameters: { networks, total } }: PlanReport): string[] {
  const rows = networks.map(({ name, parameters: n, bytes }) => [name, millions(n), bytesOf(bytes)]);
  const bytes = networks.reduce((n, network) => n + network.bytes, 0);
  return table('Parameters that are read', [...rows, ['total', millions(total), bytesOf(bytes)]]);
}

function work({ stages, run }: PlanReport): string[] {
  const { step } = stages;
  const columns: readonly (Amounts & { readonly uploadedBytes?: number })[] = [
    stages.load,
    stages.prompt,
    step,
    step.forward,
    step.backward,
    ...(run.judged ? [run.judged] : []),
  ];
  const row = (name: string, of: (c: (typeof columns)[number]) => string): string[] => [name, ...columns.map(of)];
  const rows = table('Work', [
    ['', 'load', 'prompt', 'iteration', 'forward', 'backward', ...(run.judged ? ['only judged'] : [])],
    row('arithmetic', (c) => flopsOf(c.flops)),
    row('moved', (c) => bytesOf(c.bytes)),
    row('dispatches', (c) => String(c.dispatches)),
    row('uploaded', (c) => (c.uploadedBytes === undefined ? '' : bytesOf(c.uploadedBytes))),
  ]);
  return [...rows, `  the whole run: ${flopsOf(run.flops)} in ${run.iterations} iterations`];
}

function memory({ memory: { phases, largestBinding, largestBuffer } }: PlanReport): string[] {
  const row = (name: string, of: (p: (typeof phases)[number]) => number): string[] => [
    name,
    ...phases.map((phase) => bytesOf(of(phase))),
  ];
  return [
    ...table('GPU memory', [
      ['', ...phases.map(({ phase }) => phase)],
      row('weights', (p) => p.weights),
      row('kept from earlier stages', (p) => p.kept),
      row('shared by lifetime', (p) => p.shared),
      row('  saved for backward', (p) => p.saved),
      row('  transient', (p) => p.transient),
      row('  streamed weights', (p) => p.streamed),
      row('total', (p) => p.total),
    ]),
    `  largest binding: ${bytesOf(largestBinding.bytes)}, ${largestBinding.name}; largest buffer: ${bytesOf(largestBuffer)}`,
  ];
}

function split({ stages, referenceFlops }: PlanReport): string[] {
  const largest = ({ modules }: StageReport): string =>
    modules
      .filter(({ flops }) => flops > 0)
      .slice(0, 6)
      .map(({ module, flops }) => `${module || 'other'} ${flopsOf(flops)}`)
      .join(', ');
  const more = (referenceFlops / stages.step.flops - 1) * 100;
  return [
    '',
    'What is computed when',
    ...STAGES.map((stage) => `  ${stage} (${WHEN[stage]}): ${largest(stages[stage]) || 'nothing'}`),
    `  The reference computes the prompt's part again in each iteration: ${flopsOf(referenceFlops)}, ${more.toFixed(1)}% more.`,
  ];
}

function seconds(s: number | null): string {
  const [scale, unit] = s === null || s >= 1 ? [1, 's'] : s >= 1e-3 ? [1e3, 'ms'] : [1e6, 'µs'];
  return s === null ? '-' : `${Number((s * scale).toPrecision(3))} ${unit}`;
}

const percent = (share: number): string => `${(share * 100).toFixed(1)}%`;

function rooflines({ rooflines: all, stages: { step }, matrixShare }: PlanReport): string[] {
  const streams = step.uploadedBytes > 0;
  const rows = all.map((r) => [
    r.gpu,
    bytesOf(r.memoryBytes),
    r.fits ? 'fits' : 'too large',
    seconds(r.seconds.f32),
    seconds(r.seconds.f16),
    seconds(r.seconds.tensor),
    ...(streams ? [seconds(r.uploadSeconds)] : []),
  ]);
  const head = ['', 'memory', '', 'f32 ALUs', 'f16 ALUs', 'matrix units', ...(streams ? ['uploads'] : [])];
  const [low, high] = DISPATCH_SECONDS.map((s) => seconds(s * step.dispatches));
  return [
    ...table('Least time of an iteration: each op its arithmetic or its memory traffic', [head, ...rows]),
    `  ${percent(matrixShare)} of the arithmetic is in kernels for matrix units, the rest always runs on f32 ALUs.`,
    `  ${step.dispatches} dispatches at the published 24 to 36 µs: ${low} to ${high}, in part beside the above.`,
  ];
}

/** The needs of each number of pictures at once, where one was to be chosen. */
function batches({ batches: tried = [], batch }: PlanReport): string[] {
  if (tried.length === 0) {
    return [];
  }
  const rows = tried.map((one) => [
    String(one.batch),
    bytesOf(one.peak),
    one.fits ? 'fits' : 'too large',
    String(one.dispatches),
    (one.dispatches / one.batch).toFixed(0),
    seconds(one.seconds),
  ]);
  const head = ['', 'memory', '', 'dispatches', 'for a picture', 'least time for a picture, with dispatches'];
  return [...table('Pictures at once, in an iteration', [head, ...rows]), `  --batch auto is ${batch} here.`];
}

/** Kernels that take less than this part of the time are one row. */
const SMALL = 0.01;

/** The kernels of the first GPU that was asked for. */
function kernels({ kernels: [first] }: PlanReport): string[] {
  if (!first) {
    return [];
  }
  const { gpu, times } = first;
  const sum = (of: readonly KernelTime[], get: (t: KernelTime) => number): number => of.reduce((n, t) => n + get(t), 0);
  const cost = (t: KernelTime): number => t.leastSeconds + t.dispatchSeconds;
  const whole = sum(times, cost);
  const [large, small] = [times.filter((t) => cost(t) >= SMALL * whole), times.filter((t) => cost(t) < SMALL * whole)];
  const row = (name: string, of: readonly KernelTime[], ...rest: readonly string[]): string[] => [
    name,
    String(sum(of, (t) => t.dispatches)),
    seconds(sum(of, (t) => t.arithmeticSeconds)),
    seconds(sum(of, (t) => t.memorySeconds)),
    seconds(sum(of, (t) => t.leastSeconds)),
    seconds(sum(of, (t) => t.dispatchSeconds)),
    ...rest,
  ];
  return table(`Kernels of an iteration on ${gpu}, dispatches at 24 µs`, [
    ['', 'dispatches', 'arithmetic', 'memory', 'least', 'dispatching', 'bound by'],
    ...large.map((t) => row(t.kernel, [t], t.bound)),
    ...(small.length > 0 ? [row('others', small)] : []),
    row('total', times),
  ]);
}
