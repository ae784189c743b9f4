/** The course's measurement, on a small ladder. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { timedKernels } from '../../../../commands/kernels/course/course_figures.ts';
import type { Ladder } from '../../../../commands/kernels/course/ladders.ts';
import { openAdapter } from '../../../../src/cli/adapter.ts';
import type { Device } from '../../../../src/tensor/device/device.ts';

let device: Device;
beforeAll(async () => {
  device = await openAdapter();
});
afterAll(() => device.destroy());

const use = { shape: '24x16,16x20' };
const ladder: Ladder = {
  name: 'small',
  cpu: [
    { op: 'matmul', variant: 'naive', dtype: 'f32' },
    { op: 'matmul', variant: 'gpu_tile', dtype: 'f32' },
  ],
  gpu: [],
  uses: { matmul: { timed: use, checked: use, compiled: use } },
};

it('compares each kernel with f64, times it, and relates its time to that of the one before', async () => {
  const lines: string[] = [];
  const cpu = await timedKernels(device, ladder, (line) => lines.push(line));
  const [first, second] = cpu;
  expect(lines).toEqual(['  matmul.naive checked', '  matmul.gpu_tile checked']);
  expect(first).toMatchObject({ variant: 'naive', gain: null });
  expect(second).toMatchObject({ variant: 'gpu_tile', gain: expect.any(Number) });
  for (const { nmse, bound, ms, gflops } of cpu) {
    expect(nmse).toBeLessThan(bound);
    expect(ms).toBeGreaterThan(0);
    expect(gflops * ms).toBeCloseTo((2 * 24 * 16 * 20) / 1e6, 9);
  }
  expect(first?.code).not.toBe(second?.code);
});

it('says which variant a ladder has in vain', async () => {
  const rung = { op: 'matmul', variant: 'cpu_tile_5x5', dtype: 'f32' } as const;
  await expect(timedKernels(device, { ...ladder, cpu: [rung] }, () => {})).rejects.toThrow(
    'matmul has no variant "cpu_tile_5x5"',
  );
});
