/** `reno kernels show`: an op's documentation, variants, cost and cases, and the final WGSL of one variant. */
import { openAdapter } from '../../src/cli/adapter.ts';
import { type Args, type Command, isSet } from '../../src/cli/flags/args.ts';
import { adapterChoice, adapterFlags, finish, jsonFlag } from '../../src/cli/flags/shared.ts';
import { type ChosenKernel, describeCase } from '../../src/kernels/check/chosen_kernel.ts';
import { plannedSteps } from '../../src/kernels/check/measured_kernel.ts';
import { assemble } from '../../src/tensor/kernel.ts';
import type { Op } from '../../src/tensor/op.ts';
import { showType } from '../../src/tensor/types.ts';
import { chosenKernel, chosenOp, kernelFlags } from './chosen_kernel.ts';
import { kernelDocumentation } from './documentation.ts';

export const showCommand: Command = {
  meta: { name: 'show', description: "Show an op's documentation, variants, cases and final WGSL" },
  positionals: { name: 'OP', description: 'Op, such as conv2d' },
  args: {
    ...kernelFlags,
    wgsl: {
      type: 'boolean',
      description: 'Print the WGSL alone, to be changed and given to "reno kernels run --edit"',
    },
    ...adapterFlags,
    ...jsonFlag,
  },
  run: show,
};

async function show(args: Args, positionals: readonly string[]): Promise<number> {
  const op = chosenOp(positionals, 'reno kernels show');
  if (op.isView) {
    console.log(describeOp(op).join('\n'));
    return finish(args, true, `${op.name} gives a buffer another shape: it has no kernel`, []);
  }
  using device = await openAdapter(adapterChoice(args));
  const kernel = chosenKernel(op, args, device.caps);
  const steps = plannedSteps(device, kernel);
  const rows = steps.map(({ dispatch, types }) => ({
    label: dispatch.label,
    workgroups: dispatch.workgroups,
    params: dispatch.params,
    overrides: dispatch.overrides ?? {},
    bindings: dispatch.bindings.map(({ name }, i) => `${name}: ${types[i] ? showType(types[i]) : ''}`),
    wgsl: assemble(dispatch, types, device.caps),
  }));
  if (isSet(args, 'wgsl')) {
    console.log(rows.map(({ wgsl }) => wgsl.trimEnd()).join('\n\n'));
    return 0;
  }
  console.log([...describeOp(op), '', ...describeKernel(kernel)].join('\n'));
  for (const { label, workgroups, params, overrides, bindings, wgsl } of rows) {
    console.log(`\n// ${label}: ${workgroups.join(' x ')} workgroups; ${bindings.join(', ')}`);
    console.log(`// params ${JSON.stringify(params)}, overrides ${JSON.stringify(overrides)}\n${wgsl.trimEnd()}`);
  }
  return finish(args, true, `${op.name}.${kernel.variant.name}: ${describeCase(kernel.case)}`, rows);
}

function describeOp(op: Op): string[] {
  const documentation = kernelDocumentation();
  const { file = '', text = '' } = documentation.op(op.name) ?? {};
  const variants = op.isView ? [] : op.variants;
  return [
    `${op.name} (${file})`,
    text,
    ...(variants.length > 0
      ? ['', 'variants, the first that supports a site runs unless another was faster there:']
      : []),
    ...variants.map(({ name }) => `  ${name}: ${documentation.variant(name) ?? ''}`),
    '',
    'test cases:',
    ...op.cases.map((c, i) => `  ${String(i).padStart(2)}  ${c.name ?? ''}: ${describeCase(c)}`),
  ];
}

function describeKernel({ op, variant, case: c, site }: ChosenKernel): string[] {
  const own = kernelDocumentation().variantFile(op.name, variant.name);
  const { flops, bytes } = op.cost(site);
  return [
    `${op.name}.${variant.name} on ${describeCase(c)}`,
    ...(own ? [`${own.text} (${own.file})`] : []),
    `${flops} operations, ${bytes} bytes if every operand crosses memory once: ${(flops / bytes).toPrecision(3)} operations a byte`,
  ];
}
