/**
 * `npm run fidelity`: compares gradients with f16 activations beside those with f32 ones, of each kind of network at
 * its real depth (reduced width, seeded weights) and of the whole loop on the pocket models.
 *
 * Exit code 0 only where each row holds its bounds: the gradient's cosine ≥ 0.999 (an angle of 2.6°: an f16 value has 11 bits, and
 * rounding each activation once turns a gradient by far less; PyTorch's parity in f16 is held to the same), its norm within 2%
 * (the optimiser clips by norm), NaN and infinities nowhere, and at most 0.1% of values lost to underflow. In the loop, f16 computes at
 * the very noises that the f32 loop went through, and its losses must be within 0.1% there; these bounds are held by the first gradient
 * and by the median of 20. The worst of the 20 has wider ones, 0.995 and 12% (measured 0.9986 and 8%): some of these points are
 * ill-conditioned, where rounding the noise to f16 once turns nothing but changes the f32 gradient's own norm by 4%. Left to itself the
 * loop magnifies any difference (the last row: f32, whose first noise was rounded to f16 once), so one such loop says little. There five
 * seeds run, and their best losses count: the median of the differences must be within 1%, and so must the mean with its sign, which
 * would show that f16 optimises worse. How far the last pictures are apart is only shown. Weights of 8 bits are judged alone, with f32 activations on
 * both sides, and in the same way: an int8 value is coarser than an f16 one, so the bounds are wider (measured: 1 − cosine 8.7e-4 in CLIP,
 * and in the loop 0.992 and a norm 32% off at worst, 7e-5 and 1.8% in the median). Products in packed f16 (`packed_f16`) hold the bounds of
 * f16 activations; the rows of sums in f16 show what the number of products in a sum costs.
 */
import { openAdapter } from '../../src/cli/adapter.ts';
import { type Args, type Command, textFlag } from '../../src/cli/flags/args.ts';
import { adapterChoice, adapterFlags, finish, jsonFlag } from '../../src/cli/flags/shared.ts';
import { UsageError } from '../../src/cli/usage_error.ts';
import type { Device } from '../../src/tensor/device/device.ts';
import type { PlanSpec } from '../../src/tensor/schedule/plan_spec.ts';
import { median, sum } from '../../src/tensor/tuning/median.ts';
import { at } from '../../src/tensor/types.ts';
import { figure, table } from '../common/table.ts';
import { gradientOf } from './gradient.ts';
import { compare, type Distance, middle, worst } from './gradient_distance.ts';
import { halfProducts, WHOLE_SUM } from './half_products.ts';
import { CLIP_VIT_H, type FidelityModule, MODULES } from './modules.ts';
import { ITERATIONS, type Loop, type LoopEnd, type Loops, pocketLoops, SEEDS } from './pocket_loop.ts';

const BOUNDS = {
  gradient: { cosine: 0.999, norm: 0.02 },
  worst: { cosine: 0.995, norm: 0.12 },
  zeros: 0.001,
  loss: 0.001,
  best: 0.01,
  int8: { cosine: 0.998, norm: 0.02 },
  int8Median: { cosine: 0.999, norm: 0.05 },
  int8Worst: { cosine: 0.98, norm: 0.5 },
  int8Loss: 0.002,
};

interface Row extends Distance {
  readonly name: string;
  /** The size of the network, or the part of the loop, that the row compares. */
  readonly of: string;
  readonly ok: boolean;
  readonly seconds: number;
  /** NMSE of the network's output, where the row is about a gradient. */
  readonly outputNmse?: number;
  /** Relative difference of the loss, largest in the loop; where the loop was left to itself, the median over seeds for the best loss. */
  readonly lossDifference?: number;
  /** Relative changes of the best loss, for each seed. */
  readonly lossChanges?: readonly number[];
}

type Measured = Omit<Row, 'name' | 'of' | 'seconds'>;

const holds = (d: Distance, bound = BOUNDS.gradient): boolean =>
  d.cosine >= bound.cosine && Math.abs(d.normRatio - 1) <= bound.norm && d.zeros <= BOUNDS.zeros && d.nonFinite === 0;

interface Measurement {
  readonly name: string;
  readonly of: string;
  readonly measure: (device: Device) => Promise<Measured>;
}

/** The gradient of a network with f16 activations, planned by `planning`, against that with f32 ones. */
async function roundedBeside(
  device: Device,
  { trace }: FidelityModule,
  planning: Partial<PlanSpec> = {},
): Promise<Measured> {
  const exact = await gradientOf(device, trace('f32'));
  const half = await gradientOf(device, trace('f16'), planning);
  const gradient = compare(half.gradient, exact.gradient);
  return { ...gradient, ok: holds(gradient), outputNmse: compare(half.output, exact.output).nmse };
}

const modules: readonly Measurement[] = MODULES.map((module) => ({
  name: module.name,
  of: module.size,
  measure: (device) => roundedBeside(device, module),
}));

/** CLIP's gradient where products are summed in f16, `interval` at a time, and then in f32. */
const summedInHalf = (interval: number): Measurement => ({
  name: 'CLIP ViT-H, products in f16',
  of: `${interval === WHOLE_SUM ? 'whole sums' : `sums of ${interval}`}, for comparison`,
  measure: (device) => roundedBeside(device, CLIP_VIT_H, halfProducts(interval)),
});

/** Products by the variant for GPUs without matrix units, which only the tuner takes. Unfused, for fused ops have kernels of their own. */
const packed: readonly Measurement[] = MODULES.map((module) => ({
  name: `${module.name}, packed_f16`,
  of: module.size,
  measure: (device) => roundedBeside(device, module, { fuse: false, variants: { matmul: 'packed_f16' } }),
}));

/** Weights alone are rounded here, activations are f32 on both sides. */
const int8Modules: readonly Measurement[] = MODULES.filter(({ name }) => /CLIP|SD-Turbo/.test(name)).map(
  ({ name, size, trace }) => ({
    name: `${name}, weights of 8 bits`,
    of: size,
    measure: async (device) => {
      const exact = await gradientOf(device, trace('f32'));
      const int8 = await gradientOf(device, trace('f32'), { weightBits: 8 });
      const gradient = compare(int8.gradient, exact.gradient);
      return { ...gradient, ok: holds(gradient, BOUNDS.int8), outputNmse: compare(int8.output, exact.output).nmse };
    },
  }),
);

let running: Promise<Loops> | null = null;
const loopsOn = (device: Device): Promise<Loops> => {
  running ??= pocketLoops(device);
  return running;
};

const apart = (a: number, b: number): number => Math.abs(a - b) / Math.abs(b);
/** NaN where a loop ended early. */
const furthestLoss = (some: readonly number[], exact: readonly number[]): number =>
  Math.max(...Array.from({ length: ITERATIONS }, (_, i) => apart(some[i] ?? Number.NaN, exact[i] ?? Number.NaN)));

const gradientsOf = ({ exact, atItsNoises }: Loops): Distance[] => distances(atItsNoises, exact);
const distances = (loop: Loop, exact: Loop): Distance[] =>
  loop.gradients.map((g, i) => compare(g, at(exact.gradients, i)));

const firstGradient: Measurement = {
  name: 'pocket loop, first gradient',
  of: 'noise of seed 1',
  measure: async (device) => {
    const found = at(gradientsOf(await loopsOn(device)), 0);
    return { ...found, ok: holds(found) };
  },
};

const medianGradient: Measurement = {
  name: 'pocket loop, gradients',
  of: `median of ${ITERATIONS} iterations, same noises`,
  measure: async (device) => {
    const loops = await loopsOn(device);
    const found = middle(gradientsOf(loops));
    const lossDifference = furthestLoss(loops.atItsNoises.losses, loops.exact.losses);
    return { ...found, ok: holds(found) && lossDifference <= BOUNDS.loss, lossDifference };
  },
};

const worstGradient: Measurement = {
  name: 'pocket loop, gradients',
  of: `worst of ${ITERATIONS} iterations, same noises`,
  measure: async (device) => {
    const found = worst(gradientsOf(await loopsOn(device)));
    return { ...found, ok: holds(found, BOUNDS.worst) };
  },
};

const int8Gradients = (of: string, pick: typeof middle, bound: typeof BOUNDS.gradient): Measurement => ({
  name: 'pocket loop, weights of 8 bits',
  of: `${of} of ${ITERATIONS} gradients, same noises`,
  measure: async (device) => {
    const { exact, int8AtItsNoises } = await loopsOn(device);
    const found = pick(distances(int8AtItsNoises, exact));
    const lossDifference = furthestLoss(int8AtItsNoises.losses, exact.losses);
    const ok = holds(found, bound) && lossDifference <= BOUNDS.int8Loss;
    return { ...found, ok, lossDifference };
  },
});

const int8Pictures: Measurement = {
  name: 'pocket loop, weights of 8 bits',
  of: `worst of ${ITERATIONS} pictures, same noises`,
  measure: async (device) => {
    const { exact, int8AtItsNoises } = await loopsOn(device);
    const found = worst(int8AtItsNoises.images.map((image, i) => compare(image, at(exact.images, i))));
    return { ...found, ok: holds(found) };
  },
};

const picturesOnTheWay: Measurement = {
  name: 'pocket loop, pictures',
  of: `worst of ${ITERATIONS} iterations, same noises`,
  measure: async (device) => {
    const { exact, atItsNoises } = await loopsOn(device);
    const found = worst(atItsNoises.images.map((image, i) => compare(image, at(exact.images, i))));
    return { ...found, ok: holds(found) };
  },
};

const leftToItself = (name: string, pick: (ends: Loops['ends']) => readonly LoopEnd[]): Measurement => ({
  name,
  of: `left to itself, ${SEEDS.length} seeds: last picture, best loss of ${ITERATIONS}`,
  measure: async (device) => {
    const { ends } = await loopsOn(device);
    const rounded = pick(ends);
    const changes = rounded.map(({ bestLoss }, i) => bestLoss / at(ends.exact, i).bestLoss - 1);
    const lossDifference = median(changes.map(Math.abs));
    const worse = sum(changes) / changes.length;
    const complete = rounded.every(({ length }) => length === ITERATIONS);
    return {
      ...middle(rounded.map(({ picture }, i) => compare(picture, at(ends.exact, i).picture))),
      ok: complete && lossDifference <= BOUNDS.best && worse <= BOUNDS.best,
      lossDifference,
      lossChanges: changes,
    };
  },
});

const ALL: readonly Measurement[] = [
  ...modules,
  ...[4, 8, 16, 32, WHOLE_SUM].map(summedInHalf),
  ...packed,
  firstGradient,
  medianGradient,
  worstGradient,
  picturesOnTheWay,
  leftToItself('pocket loop', ({ half }) => half),
  ...int8Modules,
  int8Gradients('median', middle, BOUNDS.int8Median),
  int8Gradients('worst', worst, BOUNDS.int8Worst),
  int8Pictures,
  leftToItself('pocket loop, weights of 8 bits', ({ int8 }) => int8),
  leftToItself('the same in f32, noise nudged', ({ nudged }) => nudged),
];

function printed(rows: readonly Row[]): string[] {
  const percent = (share: number): string => (share === 0 ? '0' : `${figure(share * 100)}%`);
  const cells = rows.map((r) => [
    r.name,
    r.of,
    (1 - r.cosine).toExponential(1),
    r.normRatio.toFixed(5),
    r.nmse.toExponential(1),
    percent(r.zeros),
    percent(r.nonFinite),
    (r.outputNmse ?? Number.NaN).toExponential(1).replace('NaN', '–'),
    r.lossDifference === undefined ? '–' : percent(r.lossDifference),
    r.ok ? 'ok' : 'SHORT',
  ]);
  const head = [
    'rounded, against f32',
    'of',
    '1 − cosine',
    'norms',
    'NMSE',
    'zeros',
    'not finite',
    'output NMSE',
    'loss',
    '',
  ];
  return table(head, cells);
}

export const command: Command = {
  meta: { name: 'fidelity', description: 'Compare gradients with f16 activations or int8 weights with those in f32' },
  args: {
    rows: { type: 'string', description: 'Only rows whose name matches', valueHint: 'regex' },
    ...adapterFlags,
    ...jsonFlag,
  },
  run: fidelity,
};

async function fidelity(args: Args): Promise<number> {
  const wanted = new RegExp(textFlag(args, 'rows') ?? '');
  const device = await openAdapter(adapterChoice(args));
  if (!device.caps.f16) {
    throw new UsageError('this adapter has no shader-f16, so it has no f16 activations to compare');
  }
  const rows: Row[] = [];
  for (const { name, of, measure } of ALL.filter(({ name }) => wanted.test(name))) {
    const start = process.cpuUsage();
    const measured = await measure(device);
    const { user, system } = process.cpuUsage(start);
    rows.push({ name, of, ...measured, seconds: (user + system) / 1e6 });
    console.error(`${name}: ${((user + system) / 1e6).toFixed(0)} s of CPU`);
  }
  console.log(`${printed(rows).join('\n')}\n`);
  const held = rows.filter(({ ok }) => ok).length;
  return finish(args, rows.length > 0 && held === rows.length, `${held} of ${rows.length} rows hold`, rows);
}
