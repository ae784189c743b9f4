/** Variants of convolution and of its gradients. */
import type { Attrs, OpSite, Variant } from '../../tensor/op.ts';
import { at } from '../../tensor/types.ts';
import { epilogueCode } from '../common/epilogue_wgsl.ts';
import { canStoreOne } from '../common/site.ts';
import { hasSubgroupTile } from '../common/subgroup_tile.ts';
import { throughScratch } from '../common/transposed_weight.ts';
import { CONV2D_BACKWARD_WEIGHT_CPU_TILE, TILE_COLUMNS, TILE_ROWS } from './backward_weight_wgsl.ts';
import { epilogueBindings, params, read, weightSteps, write } from './bindings.ts';
import { CONV2D_BACKWARD_INPUT_NAIVE, CONV2D_BACKWARD_WEIGHT_NAIVE, CONV2D_NAIVE } from './naive_wgsl.ts';
import type { BackwardInputAttrs, BackwardWeightAttrs, Conv2dAttrs, Epilogue, WeightLayout } from './sizes.ts';
import { forwardSizes, plain, siteBackwardInputSizes, siteBackwardWeightSizes } from './sizes.ts';
import type { Walk } from './walk.ts';
import { backwardWalk, forwardWalk, winogradOf } from './walk.ts';
import { WALKS, walkDispatch } from './walk_kernels.ts';
import type { WinogradKind } from './winograd/winograd.ts';
import { winogradDispatches, winogradRuns } from './winograd/winograd.ts';

/** The variants of WALKS, for results whose channels count in fours, and Winograd's. */
function walkVariants<A extends Attrs & WeightLayout>(
  walk: (site: OpSite<A>) => Walk,
  epilogue: (attrs: A) => Epilogue,
): Variant<A>[] {
  const byPoints = (kind: WinogradKind): Variant<A> => ({
    name: `winograd_${kind}`,
    supports: (site, caps) => {
      const p = winogradOf(walk(site));
      return p !== null && winogradRuns(p, kind, caps);
    },
    dispatches: (site, caps) => {
      const { forward } = walk(site);
      const p = winogradOf(walk(site));
      const label = `${forward ? 'conv2d' : 'conv2d_backward_input'}.winograd_${kind}`;
      return p ? winogradDispatches(label, p, kind, epilogue(site.attrs), caps) : [];
    },
  });
  const walks = WALKS.map((kernel) => {
    const variant: Variant<A> = {
      name: kernel.name,
      supports: (site, caps) => kernel.runs(caps) && walk(site).cout % 4 === 0 && (kernel.fits?.(walk(site)) ?? true),
      dispatches: (site) => walkDispatch(walk(site), kernel, epilogue(site.attrs)),
    };
    const asDeclared = (attrs: A): A | null => (attrs.transposeWeight ? { ...attrs, transposeWeight: false } : null);
    return kernel.readsTransposed ? variant : throughScratch(variant, asDeclared);
  });
  return [byPoints('cpu'), ...walks, byPoints('gpu')];
}

export const FORWARD_VARIANTS: readonly Variant<Conv2dAttrs>[] = [
  ...walkVariants<Conv2dAttrs>(forwardWalk, (attrs) => attrs),
  {
    name: 'naive',
    supports: (site, caps) => canStoreOne(at(site.outputs, 0), caps),
    dispatches: (site) => {
      const s = forwardSizes(site);
      const pixels = s.images * s.outHeight * s.outWidth;
      return [
        {
          label: 'conv2d.naive',
          code: CONV2D_NAIVE + epilogueCode(site.attrs),
          params: { ...params(s), pixels, ...weightSteps(s, !site.attrs.transposeWeight) },
          bindings: [read('x', 0), read('w', 1), write('y'), ...epilogueBindings(site.attrs, 1)],
          workgroups: [Math.ceil(s.cout / 16), Math.ceil(pixels / 4), 1],
        },
      ];
    },
  },
];

export const BACKWARD_INPUT_VARIANTS: readonly Variant<BackwardInputAttrs>[] = [
  ...walkVariants<BackwardInputAttrs>(backwardWalk, () => plain),
  {
    name: 'naive',
    supports: (site, caps) => canStoreOne(at(site.outputs, 0), caps),
    dispatches: (site) => {
      const s = siteBackwardInputSizes(site);
      const pixels = s.images * s.height * s.width;
      return [
        {
          label: 'conv2d_backward_input.naive',
          code: CONV2D_BACKWARD_INPUT_NAIVE,
          params: { ...params(s), pixels, ...weightSteps(s, site.attrs.transposeWeight ?? false) },
          bindings: [read('dy', 0), read('w', 1), write('dx')],
          workgroups: [Math.ceil(s.cin / 16), Math.ceil(pixels / 4), 1],
        },
      ];
    },
  },
];

export const BACKWARD_WEIGHT_VARIANTS: readonly Variant<BackwardWeightAttrs>[] = [
  {
    name: 'cpu_tile_8x32',
    supports: (site, caps) => {
      const { cin, cout } = siteBackwardWeightSizes(site);
      return hasSubgroupTile(caps) && cin % TILE_ROWS === 0 && cout % 4 === 0;
    },
    dispatches: (site) => {
      const s = siteBackwardWeightSizes(site);
      const pixels = s.images * s.outHeight * s.outWidth;
      return [
        {
          label: 'conv2d_backward_weight.cpu_tile_8x32',
          code: CONV2D_BACKWARD_WEIGHT_CPU_TILE,
          params: { ...params(s), pixels, cout4: s.cout / 4 },
          bindings: [read('x', 0, 4), read('b', 1, 4), write('dw', 4)],
          workgroups: [Math.ceil(s.cout / TILE_COLUMNS), s.cin / TILE_ROWS, s.kh * s.kw],
        },
      ];
    },
  },
  {
    name: 'naive',
    dispatches: (site) => {
      const s = siteBackwardWeightSizes(site);
      const rows = s.kh * s.kw * s.cin;
      return [
        {
          label: 'conv2d_backward_weight.naive',
          code: CONV2D_BACKWARD_WEIGHT_NAIVE,
          params: { ...params(s), rows },
          bindings: [read('x', 0), read('dy', 1), write('dw')],
          workgroups: [Math.ceil(s.cout / 16), Math.ceil(rows / 4), 1],
        },
      ];
    },
  },
];
