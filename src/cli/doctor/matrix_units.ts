/** Says which matrix units an adapter shows, and which kernels compute rightly on them. */
import { matrixShape } from '../../kernels/common/matrix_tile.ts';
import type { Device } from '../../tensor/device/device.ts';
import type { Finding } from './machine.ts';

const what = 'matrix units';

/** Checks the kernels for matrix units, unless the results are known. @param wanted whether the device was asked for them */
export async function checkMatrixUnits(
  { caps, kernelCheck }: Pick<Device, 'caps' | 'kernelCheck'>,
  wanted: boolean,
): Promise<Finding> {
  if (!wanted) {
    return { what, value: 'off', ok: true, note: 'RENO_SUBGROUP_MATRIX=0 turns them off' };
  }
  const { subgroupMatrices = [] } = caps;
  if (subgroupMatrices.length === 0 || !kernelCheck) {
    return { what, value: 'no', ok: true, note: 'this adapter shows none to WebGPU: all arithmetic runs on its ALUs' };
  }
  const shown = subgroupMatrices.map(({ component, result, m, n, k }) => `${component} to ${result} ${m}x${n}x${k}`);
  const value = [...new Set(shown)].join(', ');
  const shape = matrixShape(caps);
  if (!shape) {
    return { what, value, ok: true, note: 'unused: no kernel takes these shapes, or subgroups of no fixed size' };
  }
  await kernelCheck.ensure(kernelCheck.kernels);
  const { m, n, k } = shape;
  const passed = kernelCheck.kernels.filter((kernel) => kernelCheck.problem(kernel) === null);
  const problems = kernelCheck.kernels.flatMap((kernel) => {
    const problem = kernelCheck.problem(kernel);
    return problem ? [`; ${kernel} is left out: ${problem}`] : [];
  });
  const used = passed.length > 0 ? `used as ${m}x${n}x${k}, checked and right: ${passed.join(', ')}` : 'unused';
  return { what, value, ok: true, note: `${used}${problems.join('')}` };
}
