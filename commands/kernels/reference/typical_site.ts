/** The use of each op that the reference shows, measures and compiles: of a size at which speed says something. */
import {
  type ChosenKernel,
  chooseKernel,
  KernelWishError,
  parseShapes,
} from '../../../src/kernels/check/chosen_kernel.ts';
import type { DeviceCaps } from '../../../src/tensor/device/device_caps.ts';
import type { Attrs, Op } from '../../../src/tensor/op.ts';

interface Typical {
  readonly shapes: string;
  readonly attrs?: Attrs;
}

const TOKENS = '1x512x320';
/** Padding with which a 3×3 convolution keeps the size. */
const SAME = [1, 1, 1, 1];

const TYPICAL: Readonly<Record<string, Typical>> = {
  matmul: { shapes: '512x512,512x512' },
  conv2d: { shapes: '1x64x64x64,3x3x64x64', attrs: { padding: SAME } },
  conv2d_backward_input: { shapes: '1x64x64x64,3x3x64x64', attrs: { padding: SAME, height: 64, width: 64 } },
  conv2d_backward_weight: { shapes: '1x64x64x64,1x64x64x64', attrs: { padding: SAME } },
  attention: { shapes: [TOKENS, TOKENS, TOKENS].join(), attrs: { heads: 5, scale: 0.125 } },
  attention_backward: {
    shapes: [TOKENS, TOKENS, TOKENS, TOKENS, TOKENS, '1x5x512'].join(),
    attrs: { heads: 5, scale: 0.125 },
  },
  layer_norm_linear: { shapes: '1x512x640,640,640,640x640,640' },
  linear_layer_norm_backward: { shapes: '512x640,640x640,2x640,512x640,512x640,512x2,640' },
  linear_geglu_backward: { shapes: '512x640,640x1280,512x2560' },
  group_norm: { shapes: '1x64x64x320,320,320', attrs: { groups: 32 } },
  group_norm_backward: { shapes: '1x64x64x320,1x32x2,320,320,1x64x64x320' },
  group_norm_backward_gains: { shapes: '1x64x64x320,1x32x2,320,320,1x64x64x320' },
  layer_norm: { shapes: '1024x640,640,640' },
  layer_norm_backward: { shapes: '1024x640,1024x2,1024x640,640' },
  layer_norm_backward_gains: { shapes: '1024x640,1024x2,1024x640' },
  rms_norm: { shapes: '1024x640,640' },
  rms_norm_backward: { shapes: '1024x640,1024x640,640' },
  l2_normalize: { shapes: '1024x640' },
  l2_normalize_backward: { shapes: '1024x640,1024x640' },
  rotary_embedding: { shapes: '1x512x10x64,512x64' },
  embedding: { shapes: '1024x640,512' },
  embedding_backward: { shapes: '512,512x640', attrs: { rows: 1024 } },
  transpose: { shapes: '1024x1024' },
  slice: { shapes: '1024x1024', attrs: { starts: [0, 256], sizes: [1024, 512] } },
  pad: { shapes: '1024x512', attrs: { before: [0, 256], after: [0, 256] } },
  concat: { shapes: '1024x512,1024x512', attrs: { axis: 1 } },
  split: { shapes: '1024x1024', attrs: { axis: 1, first: 512 } },
  broadcast_to: { shapes: '640', attrs: { shape: [1024, 640] } },
  select: { shapes: '1024x1024,1024x1024,1024x1024' },
  enter_f16: { shapes: '1024x1024' },
  leave_f16: { shapes: '1024x1024' },
  geglu: { shapes: '512x2560' },
  geglu_backward: { shapes: '512x2560,512x1280' },
  upsample_nearest: { shapes: '1x64x64x64', attrs: { factor: 2 } },
  upsample_nearest_backward: { shapes: '1x128x128x64', attrs: { factor: 2 } },
  resize_bicubic: { shapes: '1x256x256x3', attrs: { height: 224, width: 224 } },
  resize_bicubic_backward: { shapes: '1x224x224x3', attrs: { height: 256, width: 256 } },
};

/** Ops of one tensor, or of several of one shape. */
const OF_ONE_SHAPE = /\/(elementwise\/(unary|binary|cast)|reduce\/|softmax)/;

/**
 * Chooses what to show of a variant: at the typical size, or else the first test case that the variant takes.
 * @param file the op's source
 * @returns undefined where no use is supported with these capabilities
 */
export function typicalKernel(op: Op, variant: string, file: string, caps: DeviceCaps): ChosenKernel | undefined {
  const count = op.cases[0]?.inputs.length ?? 0;
  const square = OF_ONE_SHAPE.test(file)
    ? { shapes: Array.from({ length: count }, () => '1024x1024').join() }
    : undefined;
  const wishes: readonly (Typical | undefined)[] = [TYPICAL[op.name] ?? square, undefined];
  for (const wish of wishes) {
    try {
      return chooseKernel(
        op,
        { variant, ...(wish ? { shapes: parseShapes(wish.shapes), attrs: wish.attrs } : {}) },
        caps,
      );
    } catch (error) {
      if (!(error instanceof KernelWishError)) {
        throw error;
      }
    }
  }
  return undefined;
}
