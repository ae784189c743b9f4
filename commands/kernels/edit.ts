/** `reno kernels edit`: writes a variant's WGSL into a file and, each time the file is saved, says whether it is right and how fast. */
import { existsSync, writeFileSync } from 'node:fs';
import { openAdapter } from '../../src/cli/adapter.ts';
import { type Args, type Command, countFlag, textFlag } from '../../src/cli/flags/args.ts';
import { adapterChoice } from '../../src/cli/flags/shared.ts';
import { describeCase } from '../../src/kernels/check/chosen_kernel.ts';
import { measureEdited, showCompilerError, wgslOfDispatch } from '../../src/kernels/check/edited_kernel.ts';
import { expectedOutputs, measureKernel } from '../../src/kernels/check/measured_kernel.ts';
import { chosenKernel, chosenOp, fromWish } from './chosen_kernel.ts';
import { compiledFor } from './compiled_for.ts';
import { readWgsl } from './read_wgsl.ts';
import { describeMeasured, editedPlace, runFlags } from './run.ts';
import { saves } from './saves.ts';

export const editCommand: Command = {
  meta: { name: 'edit', description: 'Write the WGSL of a kernel into a file, and check and time it at each save' },
  positionals: { name: 'OP', description: 'Op, such as conv2d' },
  args: {
    ...runFlags,
    file: {
      type: 'string',
      description: 'File; it is written unless it exists. Default: OP.VARIANT.wgsl',
      valueHint: 'file',
    },
  },
  run: edit,
};

async function edit(args: Args, positionals: readonly string[]): Promise<number> {
  const op = chosenOp(positionals, 'reno kernels edit');
  const runs = countFlag(args, 'runs', 1) ?? 10;
  using device = await openAdapter(adapterChoice(args));
  const kernel = chosenKernel(op, args, device.caps);
  const file = textFlag(args, 'file') ?? `${op.name}.${kernel.variant.name}.wgsl`;
  const place = editedPlace(args);
  const gpu = textFlag(args, 'gpu');
  const original = fromWish(() => wgslOfDispatch(device, kernel, place.dispatch));
  if (!existsSync(file)) {
    writeFileSync(file, original);
    console.log(`wrote ${file}: change it in your editor; each time you save it, it runs. Ctrl-C ends.`);
  }
  const expected = await expectedOutputs(device, kernel);
  const own = await measureKernel(device, kernel, expected, { runs });
  console.log(`${op.name}.${kernel.variant.name} on ${describeCase(kernel.case)}, compared with ${expected.reference}`);
  console.log([...describeMeasured(own), ...(gpu ? compiledFor(gpu, kernel) : [])].join('\n'));
  for await (const _ of saves(file)) {
    try {
      const both = await measureEdited(device, kernel, expected, { wgsl: readWgsl(file), ...place }, { runs });
      if (!('edited' in both)) {
        console.log(`\n${both.map((error) => showCompilerError(file, error)).join('\n')}`);
      } else {
        const { original, edited } = both;
        console.log(`\n${(original.ms / edited.ms).toFixed(2)} x the speed of the original, timed in turns`);
        console.log([...describeMeasured(edited), ...(gpu ? compiledFor(gpu, kernel, file) : [])].join('\n'));
      }
    } catch (error) {
      // A half-saved file or a kernel that the adapter refuses: the reader goes on editing.
      console.log(`\n${error instanceof Error ? error.message : String(error)}`);
      device.assertHealthy();
    }
  }
  return 0;
}
