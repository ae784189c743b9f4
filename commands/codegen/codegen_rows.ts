/** The tables of `npm run codegen`: what each pipeline compiles to, and what its tiles compute and load beside what the op needs. */
import { table } from '../common/table.ts';
import { type PipelineResources, pipelineResources } from './driver_statistics.ts';
import { instructionKinds } from './instruction_kinds.ts';
import type { CompiledKernel } from './pipelines.ts';

/** A kernel of the table. */
export interface CodegenRow extends PipelineResources {
  readonly label: string;
  /** Pipelines of a family; 1 for a pipeline. */
  readonly pipelines: number;
  readonly dispatches: number;
  /** Share of the arithmetic of an iteration. */
  readonly share: number;
  /** Matrix multiplications among the instructions, and those that the kernel's source has in one round of its loops. */
  readonly matrix: number;
  readonly written: number;
  /** FLOP on matrix units for one of the op's, by tiles, rounds and workgroups; for f32 operands for a third of one. */
  readonly issued: number;
  /** Bytes that tiles load for 1000 FLOP of the op, and the least that tiles of this size can load for them. */
  readonly loaded: number;
  readonly least: number;
}

const rowOf = (
  { label, dispatches, flops, matrixWork, statistics, instructions }: CompiledKernel,
  all: number,
): CodegenRow => ({
  label,
  pipelines: 1,
  dispatches,
  share: flops / all,
  ...pipelineResources(statistics),
  matrix: instructionKinds(instructions).matrix,
  written: matrixWork?.multiplications ?? 0,
  issued: matrixWork ? matrixWork.flops / matrixWork.products / flops : 0,
  loaded: matrixWork ? (1000 * matrixWork.flops * matrixWork.bytesPerFlop) / flops : 0,
  least: matrixWork ? 1000 * matrixWork.bytesPerFlop * matrixWork.products : 0,
});

/** The most arithmetic first. */
export function rowsOf(kernels: readonly CompiledKernel[]): CodegenRow[] {
  const all = kernels.reduce((sum, { flops }) => sum + flops, 0);
  return kernels.map((kernel) => rowOf(kernel, all)).sort((a, b) => b.share - a.share);
}

/** Rows of at least this share of the arithmetic are shown. */
const SHOWN_SHARE = 5e-4;

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
const ifAny = (value: number, digits: number): string => (value > 0 ? value.toFixed(digits) : '');

/** A line for each pipeline. */
export function kernelTable(rows: readonly CodegenRow[]): string[] {
  const head = ['kernel', 'dispatches', 'arithmetic', 'VGPRs', 'spilled', 'LDS', 'waves', 'instructions', 'matrix'];
  return table(
    [...head, 'in source', 'issued/needed', 'B/kFLOP', 'least'],
    rows
      .filter(({ share, spilled }) => share >= SHOWN_SHARE || spilled > 0)
      .map((row) => [
        row.label,
        String(row.dispatches),
        percent(row.share),
        ...[row.vgprs, row.spilled, row.lds, row.waves, row.instructions, row.matrix, row.written].map(String),
        ...[ifAny(row.issued, 3), ifAny(row.loaded, 1), ifAny(row.least, 1)],
      ]),
  );
}

const range = (values: readonly number[]): string => {
  const [low, high] = [Math.min(...values), Math.max(...values)].map((value) => value.toLocaleString('en'));
  return low === high ? `${low}` : `${low}–${high}`;
};

/** A line for each op and variant on matrix units, as Markdown. Rows with little arithmetic count in sums, not in ranges. */
export function familyTable(rows: readonly CodegenRow[]): string[] {
  const families = new Map<string, CodegenRow[]>();
  for (const row of rows.filter(({ matrix }) => matrix > 0)) {
    const name = row.label.replace(/\+.*/, '');
    families.set(name, [...(families.get(name) ?? []), row]);
  }
  const lines = [...families].map(([name, all]) => {
    const large = all.filter(({ share }) => share >= SHOWN_SHARE);
    const shown = large.length > 0 ? large : all;
    const sum = (of: (row: CodegenRow) => number): number => all.reduce((n, row) => n + of(row), 0);
    const share = sum((row) => row.share);
    const mean = (of: (row: CodegenRow) => number): number => sum((row) => row.share * of(row)) / share;
    const cells = [
      `\`${name}\``,
      String(sum((row) => row.pipelines)),
      String(sum((row) => row.dispatches)),
      percent(share),
      ...[
        shown.map((row) => row.vgprs),
        shown.map((row) => row.lds),
        shown.map((row) => row.waves),
        shown.map((row) => row.instructions),
        shown.map((row) => row.matrix),
      ].map(range),
      all.every(({ matrix, written }) => matrix === written) ? 'all' : 'not all',
      mean((row) => row.issued).toFixed(3),
      `${mean((row) => row.loaded).toFixed(1)}; ${mean((row) => row.least).toFixed(1)}`,
    ];
    return { share, cells };
  });
  const head = [
    ...['kernel', 'pipelines', 'dispatches', 'share of the arithmetic', 'VGPRs', 'workgroup memory, bytes'],
    ...['waves per SIMD', 'instructions', 'of them matrix multiplications', 'as in the source'],
    ...['issued for one FLOP', 'bytes for 1000 FLOP; least'],
  ];
  return [head, head.map(() => '---'), ...lines.sort((a, b) => b.share - a.share).map(({ cells }) => cells)].map(
    (cells) => `| ${cells.join(' | ')} |`,
  );
}
