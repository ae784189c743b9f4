/** All that the reference says of ops and variants, apart from figures: read from the sources, the same on every machine. */
import { createHash } from 'node:crypto';
import { MATRIX_GPU } from '../../../src/cli/plan/planned_run.ts';
import { type ChosenKernel, describeCase } from '../../../src/kernels/check/chosen_kernel.ts';
import '../../../src/kernels/index.ts';
import { finalWgsl } from '../../../src/kernels/check/measured_kernel.ts';
import { siteOfCase } from '../../../src/kernels/check/run_case.ts';
import { allOps, type Cost, type Op } from '../../../src/tensor/op.ts';
import { CPU_CAPS } from '../course/ladders.ts';
import { type KernelDocumentation, kernelDocumentation, type OpDocumentation } from '../documentation.ts';
import { typicalKernel } from './typical_site.ts';

/** A variant of an op, at its typical size. */
export interface DescribedKernel {
  /** Op and variant, such as `matmul.gpu_tile`. */
  readonly name: string;
  readonly variant: string;
  /** The idea, the same in every op; empty where the table of docs/engine/kernels.md lacks it. */
  readonly idea: string;
  /** The documentation in the variant's own file, where it has one. */
  readonly own: OpDocumentation | undefined;
  /** The shown use; null where no test case of the op reaches this variant. */
  readonly shown: ShownUse | null;
}

/** A use of a kernel whose WGSL is shown. */
export interface ShownUse {
  readonly chosen: ChosenKernel;
  readonly types: string;
  readonly cost: Cost;
  /** The adapter that it is planned for, in words. */
  readonly planned: string;
  /** The WGSL of each distinct dispatch. */
  readonly wgsl: readonly string[];
  /** Says whether figures are those of this WGSL. */
  readonly hash: string;
}

/** An op with its variants. */
export interface DescribedOp {
  readonly op: Op;
  readonly file: string;
  readonly text: string;
  readonly cases: readonly { readonly name: string; readonly types: string; readonly cost: Cost }[];
  readonly kernels: readonly DescribedKernel[];
}

/** Adapters for which WGSL is planned, in the order in which they are tried. */
const PLANNED = [
  { words: 'a GPU with f16, subgroups of 32 and matrices of 16×16×16', caps: MATRIX_GPU.caps },
  { words: 'a CPU driver with subgroups of 8', caps: CPU_CAPS },
];

/** Describes every registered op, by name. @throws Error, one sentence, where the sources are not there */
export function describedOps(documentation: KernelDocumentation = kernelDocumentation()): DescribedOp[] {
  const ops = [...allOps().values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return ops.map((op) => {
    const { file = '', text = '' } = documentation.op(op.name) ?? {};
    return {
      op,
      file,
      text,
      cases: op.cases.map((c) => ({ name: c.name ?? '', types: describeCase(c), cost: op.cost(siteOfCase(op, c)) })),
      kernels: op.isView ? [] : op.variants.map((variant) => describedKernel(op, variant.name, file, documentation)),
    };
  });
}

function describedKernel(op: Op, variant: string, file: string, documentation: KernelDocumentation): DescribedKernel {
  return {
    name: `${op.name}.${variant}`,
    variant,
    idea: documentation.variant(variant) ?? '',
    own: documentation.variantFile(op.name, variant),
    shown: shownUse(op, variant, file),
  };
}

function shownUse(op: Op, variant: string, file: string): ShownUse | null {
  for (const { words, caps } of PLANNED) {
    const chosen = typicalKernel(op, variant, file, caps);
    if (chosen) {
      const wgsl = [...new Set(finalWgsl({ caps }, chosen))];
      const types = describeCase(chosen.case);
      const hash = createHash('sha256')
        .update(JSON.stringify([types, wgsl]))
        .digest('hex')
        .slice(0, 12);
      return { chosen, types, cost: op.cost(chosen.site), planned: words, wgsl, hash };
    }
  }
  return null;
}
