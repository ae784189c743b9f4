/** The figures of the reference: what was measured on an adapter, and what a GPU's compiler made of each kernel. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../../src/platform/node/package_root.ts';
import type { Revision } from '../../common/revision.ts';
import { rounded } from '../../common/table.ts';

/** A kernel that ran on an adapter. */
export interface MeasuredFigures {
  /** Identifies the WGSL that the page showed, see described_kernels.ts. */
  readonly hash: string;
  /** Inputs and attributes, where they are others than those that the page shows. */
  readonly at?: string;
  readonly ms: number;
  readonly gflops: number;
  readonly gigabytesPerSecond: number;
  /** The largest NMSE of its outputs, and the largest that is allowed. */
  readonly nmse: number;
  readonly bound: number;
}

/** A kernel that a GPU's compiler compiled; sums and maxima over its pipelines. */
export interface CompiledFigures {
  readonly hash: string;
  readonly at?: string;
  readonly pipelines: number;
  /** The most of one pipeline. */
  readonly vgprs: number;
  readonly lds: number;
  /** The fewest of one pipeline. */
  readonly waves: number;
  /** The sum of all pipelines; so are the next three. */
  readonly spilled: number;
  readonly instructions: number;
  readonly memory: number;
  readonly matrix: number;
}

export type Rows<Figures> = Readonly<Record<string, Figures | null>>;

/** Figures of one adapter or GPU, by op and variant. */
interface Section<Figures> extends Revision {
  /** The adapter, or the GPU family with its driver. */
  readonly on: string;
  /** Null: the variant is not supported there. A kernel that was not tried yet has no entry. */
  readonly rows: Rows<Figures>;
}

export interface ReferenceFigures {
  readonly measured: Section<MeasuredFigures>;
  readonly compiled: Section<CompiledFigures>;
}

export const REFERENCE_FOLDER = join(PACKAGE_ROOT, 'docs/kernels/reference');
const FILE = join(REFERENCE_FOLDER, 'figures.json');

const none = { on: '', date: '', commit: '', rows: {} };

export function readFigures(): ReferenceFigures {
  return existsSync(FILE)
    ? (JSON.parse(readFileSync(FILE, 'utf8')) as ReferenceFigures)
    : { measured: none, compiled: none };
}

/** Writes the figures, a kernel a line. */
export function writeFigures({ measured, compiled }: ReferenceFigures): void {
  const section = ({ rows, ...rest }: Section<MeasuredFigures> | Section<CompiledFigures>): string => {
    const lines = Object.keys(rows)
      .sort()
      .map((name) => `  ${JSON.stringify(name)}:${JSON.stringify(rows[name], rounded(3))}`);
    return `${JSON.stringify(rest).slice(0, -1)},"rows":{\n${lines.join(',\n')}\n}}`;
  };
  writeFileSync(FILE, `{"measured":${section(measured)},\n"compiled":${section(compiled)}}\n`);
}
