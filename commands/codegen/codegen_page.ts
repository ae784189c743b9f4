/** The page docs/kernels/codegen.md, from what docs/kernels/codegen.json keeps. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../src/platform/node/package_root.ts';
import { markdownTable } from '../common/table.ts';
import { describeTotals } from './codegen_rows.ts';
import { KEPT_SHARE, type KeptModel, type KeptRow } from './kept_codegen.ts';
import { FAMILIES } from './layer.ts';

/** The command that makes what is kept for a model. */
const commandOf = ({ model, size, gpu }: Pick<KeptModel, 'model' | 'size' | 'gpu'>): string =>
  `npm run reno -- kernels stats --model ${model}${size ? ` --size ${size[0] === size[1] ? size[0] : size.join('x')}` : ''} --gpu ${gpu} --keep`;

const count = (value: number | undefined): string => (value === undefined ? '–' : value.toLocaleString('en'));

function kernelCells(row: KeptRow): string[] {
  const { arithmetic, memory, LDS, matrix } = row.kinds ?? {};
  return [
    `\`${row.label}\`<br>${row.site}`,
    `${(100 * row.share).toFixed(1)} %`,
    ...[row.dispatches.step, row.vgprs, row.sgprs, row.spilled, row.lds, row.waves, row.instructions].map(count),
    ...[arithmetic, memory, LDS, matrix, row.latency, row.inverseThroughput].map(count),
  ];
}

const COLUMNS = [
  ...['kernel; inputs → output', 'share', 'dispatches', 'VGPRs', 'SGPRs', 'spilled', 'LDS bytes', 'waves'],
  ...['instructions', 'ALU', 'memory', 'LDS', 'matrix', 'latency', '1/throughput'],
];

function section(kept: KeptModel): string[] {
  const { model, gpu, rows, date, commit, driver } = kept;
  const family = (FAMILIES as Readonly<Record<string, string>>)[gpu];
  return [
    `## ${titleOf(kept)}`,
    '',
    `${driver}, ${date}, commit ${commit}: ${describeTotals(kept)}. \`${commandOf(kept)}\``,
    '',
    `<details><summary>${rows.length} kernels of ${model} on ${gpu}${family ? ` (${family})` : ''}</summary>`,
    '',
    ...markdownTable(COLUMNS, rows.map(kernelCells)),
    '',
    '</details>',
    '',
  ];
}

const titleOf = ({ model, size, gpu }: KeptModel): string => `${model}${size ? ` ${size.join('×')}` : ''} on ${gpu}`;

function overview(all: readonly KeptModel[]): string[] {
  const lines = all.map((kept) => {
    const waves = kept.rows.map((row) => row.waves);
    const anchor = titleOf(kept)
      .toLowerCase()
      .replaceAll(/[^a-z0-9 -]/g, '')
      .replaceAll(' ', '-');
    return [
      `[${titleOf(kept)}](#${anchor})`,
      `${kept.compiled} of ${kept.pipelines}`,
      String(kept.spilling),
      kept.onMatrices > 0 ? `${(100 * kept.onMatrices).toFixed(2)} %` : 'none',
      `${Math.min(...waves)}–${Math.max(...waves)}`,
      `${kept.seconds.toFixed(0)} s; ${kept.cpuSeconds.toFixed(0)} s`,
      `${(kept.peakBytes / 1e6).toFixed(0)} MB`,
    ];
  });
  return markdownTable(
    ['plan', 'pipelines that compile', 'that spill', 'arithmetic on matrix units', 'waves', 'time; of CPU', 'memory'],
    lines,
  );
}

/** The whole page. */
export function codegenPage(all: readonly KeptModel[]): string {
  const text = [
    "# What a GPU's compiler makes of the kernels",
    '',
    'Written by `npm run reno -- kernels stats … --keep`; do not edit it by hand. Each section names its own command, date, commit and',
    "driver. No such GPU was here: Mesa's null AMD device compiles, and a Vulkan layer (`tools/codegen`) reads what the driver says.",
    'Time and memory are those of the whole command, on 2 cores with other work beside; the time of the CPU is its own.',
    '',
    ...(all.length > 0 ? overview(all) : ['Nothing is kept yet.']),
    '',
    `A kernel stands here when it has at least ${100 * KEPT_SHARE} % of the arithmetic of an iteration (noise to new noise, forward and backward); a plan`,
    'has the f16 generator and the four rewards. **VGPRs** and **SGPRs** are vector and scalar registers of a wave (RDNA always gives 128',
    'of the latter), **LDS** is workgroup memory, **waves** is how many waves registers and workgroup memory let a SIMD hold. Instructions are counted in the program, not as',
    'they are executed: a loop counts once. **ALU** are vector instructions, **memory** loads and stores, **LDS** those of workgroup memory,',
    '**matrix** multiplications of matrices. **Latency** is the time of one wave and **1/throughput** the time between waves, both in cycles as the compiler',
    'guesses them.',
    '',
    '`codegen.json` beside this page has the same figures. A test compares SD-Turbo with it: a kernel that begins to spill or loses a third of its waves',
    'fails. Run the command of the section again where a change is meant.',
    '',
    ...all.flatMap(section),
  ];
  return `${text.join('\n').trimEnd()}\n`;
}

/** Writes the page. @returns its path */
export function writeCodegenPage(all: readonly KeptModel[]): string {
  const path = join(PACKAGE_ROOT, 'docs/kernels/codegen.md');
  writeFileSync(path, codegenPage(all));
  return path;
}
