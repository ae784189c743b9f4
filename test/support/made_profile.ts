/** A profile without a GPU: two modules, forward and backward, with a norm of two dispatches. */
import type { DispatchRecord, Profile } from '../../src/tensor/profile/profile.ts';
import { sum } from '../../src/tensor/tuning/median.ts';
import { at } from '../../src/tensor/types.ts';

type Made = Pick<DispatchRecord, 'path' | 'direction' | 'kernel' | 'flops' | 'bytes'> & { readonly us: number };

/** The first two names of each path are modules; `conv.tile` appears in both passes. */
const MADE: readonly Made[] = [
  { path: 'net.block.0', direction: 'forward', kernel: 'conv.tile', flops: 4e6, bytes: 2e4, us: 100 },
  { path: 'net.block.0', direction: 'forward', kernel: 'norm.rows.sums', flops: 1e3, bytes: 1e4, us: 10 },
  { path: 'net.block.0', direction: 'forward', kernel: 'norm.rows.apply', flops: 1e3, bytes: 2e4, us: 20 },
  { path: 'net.block.1', direction: 'forward', kernel: 'conv.tile', flops: 4e6, bytes: 2e4, us: 110 },
  { path: 'reward', direction: 'forward', kernel: 'matmul.tile', flops: 2e6, bytes: 4e4, us: 60 },
  { path: 'reward', direction: 'backward', kernel: 'matmul.tile', flops: 2e6, bytes: 4e4, us: 70 },
  { path: 'net.block.1', direction: 'recomputed', kernel: 'conv.tile', flops: 4e6, bytes: 2e4, us: 105 },
  { path: 'net.block.1', direction: 'backward', kernel: 'conv_backward.tile', flops: 4e6, bytes: 2e4, us: 200 },
  { path: 'net.block.0', direction: 'backward', kernel: 'conv_backward.tile', flops: 4e6, bytes: 2e4, us: 205 },
  { path: '', direction: 'forward', kernel: 'add.vec4', flops: 100, bytes: 800, us: 5 },
];

const GAP_NS = 500;

/** @param factors the speed of each run. @param slower kernels that take so many times as long */
export function madeProfile(
  factors: readonly number[] = [1, 1.02, 0.99, 1.01, 1.005],
  slower: Readonly<Record<string, number>> = {},
): Profile {
  let begin = 0;
  const dispatches = MADE.map(({ us, ...made }): DispatchRecord => {
    const ns = factors.map((factor) => Math.round(us * 1000 * factor * (slower[made.kernel] ?? 1)));
    const started = begin;
    begin += at(ns, 0) + GAP_NS;
    const [op = '', variant = ''] = made.kernel.split('.');
    return {
      ...made,
      op,
      variant,
      operands: ['x f32[1,8,8,64]', 'y f32[1,8,8,64]'],
      dtype: 'f32',
      workgroups: [8, 1, 1],
      matrixFlops: 0,
      begin: started,
      ns,
    };
  });
  const kernels = factors.map((_, run) => sum(dispatches.map(({ ns }) => at(ns, run))) / 1e6);
  const passes = [
    { dispatches: 6, members: dispatches.slice(0, 6) },
    { dispatches: 4, members: dispatches.slice(6) },
  ];
  return {
    format: 2,
    tool: 'reno-webgpu test',
    date: '2026-11-29T10:00:00.000Z',
    subject: 'a made network <b>',
    adapter: { vendor: 'mesa', architecture: 'software', description: 'a "made" adapter' },
    peaks: { f32: 100e9, matrix: null, bytesPerSecond: 10e9 },
    step: { clock: kernels.map((ms) => ms * 1.1), busy: kernels.map((ms) => ms * 0.98), kernels },
    passes: passes.map(({ dispatches: count, members }) => ({
      dispatches: count,
      ns: factors.map((_, run) => 0.98 * sum(members.map(({ ns }) => at(ns, run)))),
    })),
    tickNs: 1,
    passNs: 0,
    shownRun: 0,
    dispatches,
    memory: {
      resident: 1000,
      shared: 3000,
      values: [
        { name: 'conv.tile', path: 'net.block.0', bytes: 1024, kind: 'saved', from: 0, to: 8, readers: [1, 2, 8] },
        { name: 'norm.rows.sums', path: 'net.block.0', bytes: 64, kind: 'transient', from: 1, to: 2, readers: [2] },
        { name: 'conv.tile', path: 'net.block.1', bytes: 2048, kind: 'saved', from: 3, to: 7, readers: [4, 7] },
      ],
    },
  };
}
