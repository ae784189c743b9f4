/** The lists from which a reader chooses: ops, variants and cases that this adapter runs. */
import {
  type ChosenKernel,
  chooseKernel,
  describeCase,
  KernelWishError,
  parseShapes,
} from '../../kernels/check/chosen_kernel.ts';
import { siteOfCase } from '../../kernels/check/run_case.ts';
import '../../kernels/index.ts';
import type { DeviceCaps } from '../../tensor/device/device_caps.ts';
import { allOps, type Op } from '../../tensor/op.ts';
import { supportedVariants } from '../../tensor/tuning/choose.ts';
import { fillSelect, page } from './page.ts';

/** The names of the variants that take a case of the op on this adapter, in the op's order. */
function variantsOf(op: Op, caps: DeviceCaps): string[] {
  const names = op.cases.flatMap((c) => supportedVariants(op, siteOfCase(op, c), caps).map(({ name }) => name));
  return op.variants.map(({ name }) => name).filter((name) => names.includes(name));
}

/** Fills the list of ops. @param wanted the op that is selected */
export function fillOps(caps: DeviceCaps, wanted: string): void {
  const names = [...allOps().values()]
    .filter((op) => !op.isView && variantsOf(op, caps).length > 0)
    .map(({ name }) => name)
    .sort();
  fillSelect(
    page.op,
    names.map((name) => [name, name]),
    wanted,
  );
}

/** Fills the list of variants of the selected op. @param wanted the variant that is selected */
export function fillVariants(caps: DeviceCaps, wanted: string | null = null): void {
  const names = variantsOf(selectedOp(), caps);
  fillSelect(
    page.variant,
    names.map((name) => [name, name]),
    wanted,
  );
}

/** Fills the list of the cases that the selected variant takes. @param wanted the number of the case that is selected */
export function fillCases(caps: DeviceCaps, wanted: string | null = null): void {
  const op = selectedOp();
  const taken = op.cases.flatMap((c, i) => {
    const fits = supportedVariants(op, siteOfCase(op, c), caps).some(({ name }) => name === page.variant.value);
    return fits ? [[String(i), `${i}: ${c.name ? `${c.name}, ` : ''}${describeCase(c)}`] as const] : [];
  });
  fillSelect(page.case, taken, wanted);
}

/** @throws KernelWishError where the page's list names no op */
function selectedOp(): Op {
  const op = allOps().get(page.op.value);
  if (!op) {
    throw new KernelWishError(`there is no op "${page.op.value}"`);
  }
  return op;
}

/** Returns the kernel that the form asks for. @throws KernelWishError, one sentence */
export function selectedKernel(caps: DeviceCaps): ChosenKernel {
  const shapes = page.shapes.value.trim();
  return chooseKernel(
    selectedOp(),
    {
      variant: page.variant.value,
      index: Number(page.case.value),
      shapes: shapes === '' ? undefined : parseShapes(shapes),
    },
    caps,
  );
}

/** Returns the command that shows the registers of the same kernel. */
export function commandFor({ op, variant, case: c }: ChosenKernel): string {
  const shapes = c.inputs.every(({ shape }) => shape.length > 0)
    ? ` --shape ${c.inputs.map(({ shape }) => shape.join('x')).join(',')}`
    : '';
  const attrs = Object.keys(c.attrs).length > 0 ? ` --attrs '${JSON.stringify(c.attrs)}'` : '';
  return `reno kernels edit ${op.name} --variant ${variant.name} --case ${page.case.value}${shapes}${attrs} --gpu navi31`;
}
