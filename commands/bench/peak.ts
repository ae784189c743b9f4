/** The adapter's own limit: GFLOP/s of kernels that do nothing but fused multiply-adds on f32 in registers. */
import type { Device } from '../../src/tensor/device/device.ts';
import { at } from '../../src/tensor/types.ts';

const STEPS = 512;
const WORKGROUP = 64;
const GROUPS = 512;
const ROUNDS = 3;

/** Sixteen independent chains hide the latency of each, and are as many registers as an AVX2 core has. */
const STEP_16 = `
    v0 = fma(v0, m, a); v1 = fma(v1, m, a); v2 = fma(v2, m, a); v3 = fma(v3, m, a);
    v4 = fma(v4, m, a); v5 = fma(v5, m, a); v6 = fma(v6, m, a); v7 = fma(v7, m, a);
    v8 = fma(v8, m, a); v9 = fma(v9, m, a); v10 = fma(v10, m, a); v11 = fma(v11, m, a);
    v12 = fma(v12, m, a); v13 = fma(v13, m, a); v14 = fma(v14, m, a); v15 = fma(v15, m, a);`;

/** `T` is f32, or a vector for GPUs that compute on those; the loop's own cost is spread over four steps. */
const kernel = (type: string): string => `
alias T = ${type};
@group(0) @binding(0) var<storage, read_write> y: array<T>;
@compute @workgroup_size(${WORKGROUP}) fn main(@builtin(global_invocation_id) id: vec3u) {
  let m = T(1.0 + f32(id.x) * 1e-9);
  let a = T(1e-3 + f32(id.x) * 1e-9);
  var v0 = a; var v1 = a * 2.0; var v2 = a * 3.0; var v3 = a * 4.0;
  var v4 = a * 5.0; var v5 = a * 6.0; var v6 = a * 7.0; var v7 = a * 8.0;
  var v8 = a * 9.0; var v9 = a * 10.0; var v10 = a * 11.0; var v11 = a * 12.0;
  var v12 = a * 13.0; var v13 = a * 14.0; var v14 = a * 15.0; var v15 = a * 16.0;
  for (var i = 0u; i < ${STEPS}u; i++) {${STEP_16}${STEP_16}${STEP_16}${STEP_16}
  }
  y[id.x] = v0 + v1 + v2 + v3 + v4 + v5 + v6 + v7 + v8 + v9 + v10 + v11 + v12 + v13 + v14 + v15;
}`;

const FORMS = [
  { type: 'f32', width: 1 },
  { type: 'vec2f', width: 2 },
] as const;

interface Form {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly flops: number;
}

export class Peak {
  readonly #gpu: GPUDevice;
  readonly #forms: readonly Form[];

  private constructor(gpu: GPUDevice, forms: readonly Form[]) {
    this.#gpu = gpu;
    this.#forms = forms;
  }

  static async on({ gpu }: Device): Promise<Peak> {
    const forms = await Promise.all(
      FORMS.map(async ({ type, width }) => {
        const module = gpu.createShaderModule({ code: kernel(type) });
        const pipeline = await gpu.createComputePipelineAsync({ layout: 'auto', compute: { module } });
        const buffer = gpu.createBuffer({ size: WORKGROUP * GROUPS * 4 * width, usage: 0x80 }); // STORAGE
        const entries = [{ binding: 0, resource: { buffer } }];
        const group = gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
        return { pipeline, group, flops: 2 * 16 * 4 * STEPS * WORKGROUP * GROUPS * width };
      }),
    );
    return new Peak(gpu, forms);
  }

  /** GFLOP/s of the best form, each the best of a few rounds. */
  async measure(): Promise<number> {
    const rates: number[] = [];
    for (const { pipeline, group, flops } of this.#forms) {
      for (let round = 0; round < ROUNDS; round++) {
        const start = performance.now();
        const encoder = this.#gpu.createCommandEncoder();
        const pass = encoder.beginComputePass();
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(GROUPS);
        pass.end();
        this.#gpu.queue.submit([encoder.finish()]);
        await this.#gpu.queue.onSubmittedWorkDone();
        rates.push(flops / (performance.now() - start) / 1e6);
      }
    }
    rates.sort((x, y) => y - x);
    return at(rates, 0);
  }
}
