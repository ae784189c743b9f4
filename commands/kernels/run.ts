/** `reno kernels run`: runs a kernel against its reference and times it; `--edit` puts a reader's WGSL in its place. */
import type { ArgsDef } from 'citty';
import { openAdapter } from '../../src/cli/adapter.ts';
import { type Args, type Command, countFlag, textFlag } from '../../src/cli/flags/args.ts';
import { adapterChoice, adapterFlags, finish, jsonFlag } from '../../src/cli/flags/shared.ts';
import { describeCase, parseWorkgroups } from '../../src/kernels/check/chosen_kernel.ts';
import { type Edit, measureEdited, showCompilerError, wgslOfDispatch } from '../../src/kernels/check/edited_kernel.ts';
import { expectedOutputs, type MeasuredKernel, measureKernel } from '../../src/kernels/check/measured_kernel.ts';
import { at } from '../../src/tensor/types.ts';
import { gpuFlag } from '../codegen/layer.ts';
import { figure } from '../common/table.ts';
import { chosenKernel, chosenOp, fromWish, kernelFlags } from './chosen_kernel.ts';
import { compiledFor } from './compiled_for.ts';
import { readWgsl } from './read_wgsl.ts';

export const runFlags = {
  ...kernelFlags,
  dispatch: {
    type: 'string',
    description: 'Which dispatch of the variant is replaced, where it has several',
    default: '0',
    valueHint: 'n',
  },
  workgroups: {
    type: 'string',
    description: "Number of workgroups of the replaced dispatch, such as 8x4; default: the variant's own",
    valueHint: 'counts',
  },
  runs: { type: 'string', description: 'Runs whose median time counts', default: '10', valueHint: 'n' },
  gpu: { ...gpuFlag, description: `Also say what a compiler makes of it. ${gpuFlag.description}` },
  ...adapterFlags,
} satisfies ArgsDef;

export const runCommand: Command = {
  meta: { name: 'run', description: 'Run a kernel against its reference, and time it' },
  positionals: { name: 'OP', description: 'Op, such as conv2d' },
  args: {
    ...runFlags,
    edit: { type: 'string', description: "File of WGSL that runs in the variant's place", valueHint: 'file' },
    ...jsonFlag,
  },
  run,
};

async function run(args: Args, positionals: readonly string[]): Promise<number> {
  const op = chosenOp(positionals, 'reno kernels run');
  const runs = countFlag(args, 'runs', 1) ?? 10;
  using device = await openAdapter(adapterChoice(args));
  const kernel = chosenKernel(op, args, device.caps);
  const expected = await expectedOutputs(device, kernel);
  const own = await measureKernel(device, kernel, expected, { runs });
  const file = textFlag(args, 'edit');
  const gpu = textFlag(args, 'gpu');
  const rows = [rowOf(`${op.name}.${kernel.variant.name}`, own)];
  console.log(`${op.name}.${kernel.variant.name} on ${describeCase(kernel.case)}, compared with ${expected.reference}`);
  console.log([...describeMeasured(own), ...(gpu ? compiledFor(gpu, kernel) : [])].join('\n'));
  let ok = own.right;
  if (file !== undefined) {
    const place = editedPlace(args);
    fromWish(() => wgslOfDispatch(device, kernel, place.dispatch));
    const both = await measureEdited(device, kernel, expected, { wgsl: readWgsl(file), ...place }, { runs });
    if (!('edited' in both)) {
      console.log(both.map((error) => showCompilerError(file, error)).join('\n'));
      return finish(args, false, `${file} does not compile`, rows);
    }
    const { original, edited } = both;
    console.log(`\n${file} in its place: ${(original.ms / edited.ms).toFixed(2)} x the speed, timed in turns`);
    console.log([...describeMeasured(edited), ...(gpu ? compiledFor(gpu, kernel, file) : [])].join('\n'));
    rows.push(rowOf(file, edited));
    ok &&= edited.right;
  }
  const last = at(rows, rows.length - 1);
  return finish(
    args,
    ok,
    `${last.kernel}: ${ok ? 'right' : 'WRONG'}, ${figure(last.ms)} ms, ${figure(last.gflops)} GFLOP/s`,
    rows,
  );
}

/** Reads --dispatch and --workgroups. @throws UsageError */
export function editedPlace(args: Args): Omit<Edit, 'wgsl'> {
  const text = textFlag(args, 'workgroups');
  return {
    dispatch: countFlag(args, 'dispatch', 0) ?? 0,
    ...(text === undefined ? {} : { workgroups: fromWish(() => parseWorkgroups(text), '--workgroups ') }),
  };
}

const rowOf = (kernel: string, measured: MeasuredKernel) => ({ kernel, ...measured });

/** A measured kernel for people: each output's error with the place of the largest, and the speed. */
export function describeMeasured({
  errors,
  bound,
  right,
  ms,
  clock,
  gflops,
  gigabytesPerSecond,
}: MeasuredKernel): string[] {
  return [
    ...errors.map(({ nmse, place, actual, expected }, i) => {
      const where = `the largest error is at [${place.join(',')}]: ${actual} in place of ${expected}`;
      return `  ${nmse <= bound ? 'right' : 'WRONG'}: output ${i} has an NMSE of ${nmse.toPrecision(2)} (allowed: ${bound}); ${where}`;
    }),
    `  ${figure(ms)} ms (${clock}), ${figure(gflops)} GFLOP/s, ${figure(gigabytesPerSecond)} GB/s${right ? '' : '; the speed of a wrong kernel says nothing'}`,
  ];
}
