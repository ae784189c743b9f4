/**
 * GFLOP per second of every variant of the heavy kernels at the pocket models' shapes: `npx tsx commands/bench/kernels.ts [filter]`.
 * Variants of a shape take turns, so that what else the machine does hits them alike; medians are printed. On a CPU
 * driver the second number is per second of one core (its threads are this process's), which a busy machine hardly moves.
 */
import { create, globals } from 'webgpu';
import '../../src/kernels/index.ts';
import { requestDevice } from '../../src/tensor/device.ts';
import { Graph, siteOf } from '../../src/tensor/graph.ts';
import type { Attrs } from '../../src/tensor/op.ts';
import { opNamed, variantNamed } from '../../src/tensor/op.ts';
import { compile } from '../../src/tensor/plan/compile.ts';
import type { Plan } from '../../src/tensor/plan/plan.ts';
import type { Shape } from '../../src/tensor/types.ts';
import { at, sizeOf } from '../../src/tensor/types.ts';

interface Point {
  readonly op: string;
  readonly shapes: readonly Shape[];
  readonly attrs: Attrs;
}

const matmul = (m: number, k: number, n: number): Point => ({
  op: 'matmul',
  shapes: [
    [m, k],
    [k, n],
  ],
  attrs: { bias: false, residual: false },
});

/** The three convolutions of a 3x3 layer at `size`², `stride` 1 or 2. */
function convolutions(size: number, cin: number, cout: number, stride = 1): Point[] {
  const geometry = { stride, padding: [1, 1, 1, 1] };
  const x = [1, size, size, cin];
  const y = [1, size / stride, size / stride, cout];
  return [
    { op: 'conv2d', shapes: [x, [3, 3, cin, cout]], attrs: { ...geometry, bias: false, residual: false } },
    {
      op: 'conv2d_backward_input',
      shapes: [y, [3, 3, cout, cin]],
      attrs: { ...geometry, height: size, width: size },
    },
    { op: 'conv2d_backward_weight', shapes: [x, y], attrs: { ...geometry, kh: 3, kw: 3 } },
  ];
}

function attentions(t: number, s: number, heads: number, head: number): Point[] {
  const attrs = { heads, scale: head ** -0.5, causal: false, mask: false };
  const q = [1, t, heads * head];
  const k = [1, s, heads * head];
  const row = [1, heads, t];
  return [
    { op: 'attention', shapes: [q, k, k], attrs },
    { op: 'attention_backward', shapes: [q, k, k, q, q, row], attrs: { ...attrs, wants: 'all' } },
  ];
}

const POINTS: readonly Point[] = [
  matmul(16, 256, 256),
  matmul(64, 128, 512),
  matmul(256, 128, 128),
  matmul(197, 192, 768),
  matmul(1024, 64, 256),
  matmul(4096, 64, 64),
  ...convolutions(64, 16, 16),
  ...convolutions(32, 32, 32),
  ...convolutions(16, 64, 64),
  ...convolutions(8, 128, 128),
  ...convolutions(32, 32, 64, 2),
  ...attentions(64, 64, 4, 32),
  ...attentions(256, 256, 2, 32),
  ...attentions(64, 64, 2, 64),
  ...attentions(256, 16, 2, 64),
];

const ROUNDS = Number(process.env.ROUNDS ?? 7);
const filter = new RegExp(process.argv[2] ?? '');
const gpu = create([]);
// The instance must outlive its devices: a global keeps it from being collected.
Object.assign(globalThis, globals, { gpu });
const device = await requestDevice(gpu);
console.log(`${device.info.description} (${device.caps.software ? 'software' : 'hardware'})`);

/** A plan that runs one op by one variant, or null where it does not fit the shape. */
async function planOf(point: Point, variant: string): Promise<Plan | null> {
  const op = opNamed(point.op);
  const graph = new Graph();
  const inputs = point.shapes.map((shape, i) => graph.input(`x${i}`, shape, 'step'));
  const outputs = op.call(inputs, point.attrs);
  const node = at(outputs, 0).node;
  const site = siteOf(node);
  if (variantNamed(op, variant)?.supports?.(site, device.caps) === false) {
    return null;
  }
  const plan = await compile(device, {
    outputs: Object.fromEntries(outputs.map((t, i) => [`y${i}`, t])),
    variants: { [point.op]: variant },
  });
  point.shapes.forEach((shape, i) => {
    plan.write(
      `x${i}`,
      Float32Array.from({ length: sizeOf(shape) }, (_, j) => Math.sin(j * 0.7 + i)),
    );
  });
  return plan;
}

interface Time {
  readonly wall: number;
  /** Of all threads together. */
  readonly cpu: number;
}

/** Milliseconds of one run. */
async function timeOf(plan: Plan, repeats: number): Promise<Time> {
  const start = performance.now();
  const before = process.cpuUsage();
  for (let i = 0; i < repeats; i++) {
    await plan.run('step');
  }
  await plan.finished();
  const { user, system } = process.cpuUsage(before);
  return { wall: (performance.now() - start) / repeats, cpu: (user + system) / 1000 / repeats };
}

const median = (values: readonly number[]): number =>
  at(
    [...values].sort((a, b) => a - b),
    values.length >> 1,
  );

for (const point of POINTS.filter((p) => filter.test(p.op))) {
  const plans: { variant: string; plan: Plan; repeats: number; times: Time[] }[] = [];
  for (const variant of opNamed(point.op).variants.map(({ name }) => name)) {
    const plan = await planOf(point, variant);
    if (plan) {
      await timeOf(plan, 1);
      const once = await timeOf(plan, 2);
      plans.push({ variant, plan, repeats: Math.max(1, Math.min(50, Math.ceil(20 / once.cpu))), times: [] });
    }
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const p of plans) {
      p.times.push(await timeOf(p.plan, p.repeats));
    }
  }
  const results = plans.map(({ variant, plan, times }) => {
    const rate = (ms: number): string => (plan.summary.flops.step / ms / 1e6).toFixed(2);
    const core = device.caps.software ? ` (${rate(median(times.map((t) => t.cpu)))}/core)` : '';
    return `${variant} ${rate(median(times.map((t) => t.wall)))}${core}`;
  });
  console.log(`${point.op} ${point.shapes.map((s) => s.join('x')).join(' ')}: ${results.join('  ')} GFLOP/s`);
  for (const { plan } of plans) {
    plan.destroy();
  }
}
device.destroy();
