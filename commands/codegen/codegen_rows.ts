/** The tables of `reno kernels stats`: what each pipeline compiles to, and what its tiles compute and load beside what the op needs. */
import { append, type Stage } from '../../src/tensor/types.ts';
import { figure, markdownTable, table } from '../common/table.ts';
import { isRadv, type PipelineLine, type PipelineResources, pipelineResources } from './driver_statistics.ts';
import { type InstructionCounts, instructionKinds } from './instruction_kinds.ts';
import type { CompiledUse } from './pipelines.ts';

/** A pipeline of the table. */
export interface CodegenRow extends PipelineResources {
  readonly label: string;
  /** The types of the site with the most arithmetic. */
  readonly site: string;
  /** The dispatches of each stage. */
  readonly dispatches: Readonly<Record<Stage, number>>;
  /** Share of the arithmetic of an iteration, from 0 to 1. */
  readonly share: number;
  /** The compiler's message, for a pipeline that does not compile. */
  readonly failure?: string;
  /** Instructions by kind; null where the driver gives no assembly. */
  readonly kinds: InstructionCounts | null;
  /** Multiplications of matrices that the kernel's source has in one round of its loops. */
  readonly written: number;
  /** FLOP on matrix units for one of the op's, by tiles, rounds and workgroups; for f32 operands for a third of one. */
  readonly issued: number;
  /** Bytes that tiles load for 1000 FLOP of the op, and the least that tiles of this size can load for them. */
  readonly loaded: number;
  readonly least: number;
  /** All that the driver says, by its own names. */
  readonly statistics: PipelineLine['statistics'];
}

/** @param all the FLOP of the whole iteration */
export function rowsOf(kernels: readonly CompiledUse[], all: number): CodegenRow[] {
  return kernels.map(({ label, site, dispatches, flops, matrixWork, compiled }) => {
    const isBroken = compiled instanceof Error;
    const { statistics, assembly } = isBroken ? { statistics: {}, assembly: '' } : compiled;
    return {
      ...{ label, site, dispatches, share: flops / all },
      ...(isBroken ? { failure: compiled.message } : {}),
      ...pipelineResources(statistics),
      kinds: instructionKinds(assembly),
      written: matrixWork?.multiplications ?? 0,
      issued: matrixWork ? matrixWork.flops / matrixWork.products / flops : 0,
      loaded: matrixWork ? (1000 * matrixWork.flops * matrixWork.bytesPerFlop) / flops : 0,
      least: matrixWork ? 1000 * matrixWork.bytesPerFlop * matrixWork.products : 0,
      statistics,
    };
  });
}

/** Matrix multiplications among the instructions; 0 where they are not known. */
const matrixOf = ({ kinds }: CodegenRow): number => kinds?.matrix ?? 0;

/** Rows of at least this share of the arithmetic are shown. */
const SHOWN_SHARE = 5e-4;

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

/** A line for each pipeline with a good part of the arithmetic, that spills or that does not compile. */
export function kernelTable(rows: readonly CodegenRow[]): string[] {
  const shown = rows.filter(
    ({ share, spilled, failure }) => share >= SHOWN_SHARE || spilled > 0 || failure !== undefined,
  );
  const own = Object.keys(rows.find(({ failure }) => failure === undefined)?.statistics ?? {});
  const lines = shown.map((row) => [
    ...[row.label, row.site, String(row.dispatches.step), percent(row.share)],
    ...(row.failure !== undefined
      ? ['does not compile']
      : isRadv(row.statistics)
        ? radvCells(row)
        : own.map((name) => figure(row.statistics[name]))),
  ]);
  const columns = rows.some(({ statistics }) => isRadv(statistics)) ? RADV_COLUMNS : own;
  return table(['kernel', 'at', 'dispatches', 'arithmetic', ...columns], lines);
}

const RADV_COLUMNS = [
  ...['VGPRs', 'SGPRs', 'spilled', 'LDS', 'waves', 'instructions'],
  ...['ALU', 'memory', 'LDS ops', 'matrix', 'latency', '1/throughput'],
];

function radvCells({ kinds, ...row }: CodegenRow): string[] {
  const { arithmetic, memory, LDS, matrix } = kinds ?? {};
  return [
    ...[row.vgprs, row.sgprs, row.spilled, row.lds, row.waves, row.instructions].map(String),
    ...[arithmetic, memory, LDS, matrix].map((count) => (count === undefined ? '–' : String(count))),
    ...[row.latency, row.inverseThroughput].map(String),
  ];
}

/** The pipelines of a plan in numbers. */
export interface PlanTotals {
  readonly pipelines: number;
  /** Those that compile. */
  readonly compiled: number;
  /** Those that spill registers; NaN where the driver does not say. */
  readonly spilling: number;
  /** Share of the arithmetic in kernels with matrix instructions, from 0 to 1. */
  readonly onMatrices: number;
  /** Kernels of an iteration whose matrix instructions are more or fewer than in their source. */
  readonly otherwise: number;
}

export function totalsOf(rows: readonly CodegenRow[]): PlanTotals {
  const counted = rows.filter(({ kinds }) => kinds !== null);
  return {
    pipelines: rows.length,
    compiled: rows.filter(({ failure }) => failure === undefined).length,
    spilling: rows.every(({ spilled }) => Number.isNaN(spilled))
      ? Number.NaN
      : rows.filter(({ spilled }) => spilled > 0).length,
    onMatrices: counted.reduce((sum, row) => sum + (matrixOf(row) > 0 ? row.share : 0), 0),
    otherwise: counted.filter((row) => row.dispatches.step > 0 && matrixOf(row) !== row.written).length,
  };
}

/** Such as "150 of 150 pipelines compile, none spills". */
export function describeTotals({ pipelines, compiled, spilling, onMatrices, otherwise }: PlanTotals): string {
  const spill = Number.isNaN(spilling)
    ? []
    : [spilling === 0 ? 'none spills' : spilling === 1 ? '1 spills' : `${spilling} spill`];
  const source = otherwise === 0 ? 'all with as many as' : `${otherwise} with more or fewer than`;
  const matrices =
    onMatrices > 0
      ? [`${percent(onMatrices)} of the arithmetic in kernels with matrix instructions, ${source} their source has`]
      : [];
  return [`${compiled} of ${pipelines} pipelines compile`, ...spill, ...matrices].join(', ');
}

const range = (values: readonly number[]): string => {
  const [low, high] = [Math.min(...values), Math.max(...values)].map((value) => value.toLocaleString('en'));
  return low === high ? `${low}` : `${low}–${high}`;
};

/** A line for each op and variant on matrix units, as Markdown. Rows with little arithmetic count in sums, not in ranges. */
export function familyTable(rows: readonly CodegenRow[]): string[] {
  const families = new Map<string, CodegenRow[]>();
  for (const row of rows.filter((row) => matrixOf(row) > 0)) {
    append(families, row.label.replace(/\+.*/, ''), row);
  }
  const lines = [...families].map(([name, all]) => {
    const large = all.filter(({ share }) => share >= SHOWN_SHARE);
    const shown = large.length > 0 ? large : all;
    const sum = (of: (row: CodegenRow) => number): number => all.reduce((n, row) => n + of(row), 0);
    const share = sum((row) => row.share);
    const mean = (of: (row: CodegenRow) => number): number => sum((row) => row.share * of(row)) / share;
    const cells = [
      `\`${name}\``,
      String(all.length),
      String(sum((row) => row.dispatches.step)),
      percent(share),
      ...[
        shown.map((row) => row.vgprs),
        shown.map((row) => row.lds),
        shown.map((row) => row.waves),
        shown.map((row) => row.instructions),
        shown.map(matrixOf),
      ].map(range),
      all.every((row) => matrixOf(row) === row.written) ? 'all' : 'not all',
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
  return markdownTable(
    head,
    lines.sort((a, b) => b.share - a.share).map(({ cells }) => cells),
  );
}
