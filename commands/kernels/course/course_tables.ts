/** The figures of a ladder as Markdown. */
import { alignedTable } from '../../../src/reno/report/markdown_table.ts';
import { figure } from '../../common/table.ts';
import { type CompiledKernelFigures, nameOf, type Stamp, type Taken, type TimedKernel } from './course_figures.ts';
import { FAMILY, type Rung } from './ladders.ts';

/** A kernel or one of its pipelines, with what is special about it. */
const label = (rung: Rung, name = nameOf(rung)): string =>
  [`\`${name}\``, ...(rung.dtype === 'f16' ? ['f16'] : []), ...(rung.family ? [rung.family] : [])].join(', ');

/** The times of the kernels for CPU drivers, with the shapes that they ran on. */
export function timedTable(name: string, shapes: readonly string[], figures: Taken<TimedKernel>): string[] {
  const rows = figures.rows.map((row: TimedKernel) => [
    label(row),
    figure(row.ms),
    figure(row.gflops),
    row.gain === null ? '' : `${figure(row.gain)} ×`,
    (row.nmse ?? 0).toExponential(0),
  ]);
  return [
    ...alignedTable(['kernel', 'ms', 'GFLOP/s', 'speed, the line before being 1', 'error (NMSE)'], rows),
    '',
    `Shapes: ${shapes.join('; ')}. ${stampOf(name, figures)}`,
  ];
}

/** The registers and instructions to which the kernels for GPUs compile, a line for each pipeline. */
export function compiledTable(
  name: string,
  shapes: readonly string[],
  figures: Taken<CompiledKernelFigures>,
): string[] {
  const rows = figures.rows.flatMap((kernel: CompiledKernelFigures) =>
    kernel.pipelines.map(({ label: pipeline, vgprs, spilled, lds, waves, instructions, kinds }) => [
      label(kernel, pipeline),
      ...[vgprs, spilled, lds, waves, instructions].map((value) => value.toLocaleString('en')),
      ...[kinds.arithmetic, kinds.matrix, kinds.LDS, kinds.memory].map((value) => value.toLocaleString('en')),
      kernel.nmse === null ? '–' : kernel.nmse.toExponential(0),
    ]),
  );
  const head = [
    ...['kernel', 'VGPRs', 'spilled', 'LDS, bytes', 'waves per SIMD', 'instructions'],
    ...['arithmetic', 'matrix', 'LDS', 'memory', 'error (NMSE)'],
  ];
  return [
    ...alignedTable(head, rows),
    '',
    `No time is claimed: no GPU was at hand. Registers and instructions: AMD's compiler for an RX 7900 (\`${FAMILY}\`; where \`navi21\` stands, an RX 6800), shapes ${shapes.join('; ')}. ` +
      'Error: the same kernel at small shapes on the CPU driver, against f64; "–": that driver has no matrix units, and ' +
      `\`npm run test:matrix\` checks the kernel. ${stampOf(name, figures)}`,
  ];
}

function stampOf(name: string, { machine, driver, date, commit, load }: Stamp): string {
  const beside = load === undefined ? '' : ` while ${load} processes wanted to run,`;
  return `Measured by \`npm run reno -- kernels course --only ${name}\` on ${machine},${beside} ${driver}, ${date}, commit ${commit}.`;
}
