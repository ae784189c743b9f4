/** Part `speed`: the heavy kernels at SD-Turbo's shapes, beside the adapter's measured peaks and beside PyTorch. */
import { openAdapter } from '../../src/cli/adapter.ts';
import { sentenceOf } from '../../src/cli/usage_error.ts';
import { arithmeticPeaks, copyBandwidth } from '../../src/kernels/measured_peaks.ts';
import type { Device } from '../../src/tensor/device/device.ts';
import { compile } from '../../src/tensor/plan/compile.ts';
import type { Plan } from '../../src/tensor/plan/plan.ts';
import { stepTime } from '../../src/tensor/tuning/autotune.ts';
import { MATRIX_VARIANT } from '../../src/tensor/tuning/kernel_check.ts';
import { median } from '../../src/tensor/tuning/median.ts';
import { sizeOf } from '../../src/tensor/types.ts';
import { flopsOf, graphOf, KERNEL_SHAPES, type KernelRow, nameOf, QUICK_SHAPES } from './kernel_rows.ts';
import type { Part, PartRow } from './part.ts';
import { type TorchTimes, torchTimes } from './torch_times.ts';

const RUNS = 7;
const tera = (rate: number): string => `${(rate / 1e12).toPrecision(3)} TFLOP/s`;

export const speedPart: Part = {
  name: 'speed',
  title: 'How fast are the heavy kernels, beside what this GPU can do and beside PyTorch?',
  limit: { full: 100, quick: 60 },
  run: async ({ adapter, quick, seconds, row }) => {
    const start = performance.now();
    const left = (): number => seconds - (performance.now() - start) / 1000;
    using device = await openAdapter(adapter);
    const peaks = await arithmeticPeaks(device);
    for (const { name, rate } of peaks) {
      const failed = rate instanceof Error;
      row({
        name: `peak: ${name}`,
        ok: !failed,
        shown: failed ? sentenceOf(rate) : tera(rate),
        ...(failed ? {} : { flops: rate }),
      });
    }
    const bandwidth = await copyBandwidth(device, quick);
    const shown = `${(bandwidth / 1e9).toPrecision(3)} GB/s read and written`;
    row({ name: 'peak: copies', ok: bandwidth > 0, shown, bytesPerSecond: bandwidth });
    const best = Math.max(...peaks.map(({ rate }) => (rate instanceof Error ? 0 : rate)));
    const rows = quick ? QUICK_SHAPES : KERNEL_SHAPES;
    const dtype = device.caps.f16 ? 'f16' : 'f32';
    const torch = await torchTimes(rows, dtype, Math.min(left() / 2, 40));
    row({ name: 'PyTorch', ok: true, shown: torch.about });
    let timed = 0;
    for (const each of rows) {
      if (left() < 0) {
        break;
      }
      timed++;
      row(await kernelRow(device, each, dtype, best, torch));
    }
    const rest = timed < rows.length ? `; the time limit left ${rows.length - timed} out` : '';
    return `${timed} kernels in ${dtype} were timed against a measured peak of ${tera(best)}${rest}`;
  },
};

async function kernelRow(
  device: Device,
  each: KernelRow,
  dtype: 'f16' | 'f32',
  peak: number,
  torch: TorchTimes,
): Promise<PartRow> {
  const name = nameOf(each);
  try {
    const { outputs } = graphOf(each, dtype);
    using plan = await compile(device, { outputs });
    for (const [input, { type }] of plan.schedule.inputs) {
      const count = sizeOf(type.shape);
      plan.write(
        input,
        Float32Array.from({ length: count }, (_, i) => Math.sin(i * 0.7)),
      );
    }
    await plan.run('load');
    const ms = await milliseconds(plan);
    const rate = flopsOf(each) / (ms / 1000);
    const theirs = torch.ms.get(name);
    const onMatrix = plan.schedule.steps.step.some(({ dispatch }) => dispatch.label.includes(MATRIX_VARIANT));
    const kernels = [...new Set(plan.schedule.steps.step.map(({ dispatch }) => dispatch.label))];
    const beside =
      theirs === undefined
        ? ''
        : `; PyTorch ${theirs.toPrecision(3)} ms, ${(theirs / ms).toFixed(2)} times as fast as it`;
    return {
      name,
      ok: Number.isFinite(rate) && rate > 0,
      shown: `${ms.toPrecision(3)} ms, ${tera(rate)}, ${((100 * rate) / peak).toFixed(1)} % of the peak${onMatrix ? ' on matrix units' : ''}${beside}`,
      ms,
      flops: flopsOf(each),
      share: rate / peak,
      onMatrix,
      kernels,
      ...(theirs === undefined ? {} : { torchMs: theirs }),
    };
  } catch (error) {
    device.assertHealthy();
    return { name, ok: false, shown: sentenceOf(error) };
  }
}

/** The median time of a step. */
async function milliseconds(plan: Plan): Promise<number> {
  await plan.run('step'); // The first run may compile in the driver.
  await plan.finished();
  const times: number[] = [];
  for (let i = 0; i < RUNS; i++) {
    times.push((await stepTime(plan)) / 1e6);
  }
  return median(times);
}
