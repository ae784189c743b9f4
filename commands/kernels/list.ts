/** `reno kernels list`: every op with its variants, the number of its test cases and what it computes. */
import { type Args, type Command, isSet } from '../../src/cli/flags/args.ts';
import { finish, jsonFlag } from '../../src/cli/flags/shared.ts';
import '../../src/kernels/index.ts';
import { allOps } from '../../src/tensor/op.ts';
import { firstSentence, kernelDocumentation } from './documentation.ts';

export const listCommand: Command = {
  meta: { name: 'list', description: 'List the ops, their variants and what they compute' },
  args: jsonFlag,
  run: list,
};

async function list(args: Args): Promise<number> {
  const documentation = kernelDocumentation();
  const rows = [...allOps().values()]
    .map(({ name, variants, cases, isView }) => ({
      op: name,
      variants: isView ? [] : variants.map((variant) => variant.name),
      cases: cases.length,
      text: firstSentence(documentation.op(name)?.text ?? ''),
    }))
    .sort((a, b) => (a.op < b.op ? -1 : 1));
  for (const { op, variants, cases, text } of isSet(args, 'json') ? [] : rows) {
    console.log(`${op}  (${cases} cases)\n  ${text}`);
    console.log(`  ${variants.length > 0 ? variants.join(', ') : 'gives a buffer another shape; nothing runs'}`);
  }
  const kernels = rows.reduce((sum, { variants }) => sum + variants.length, 0);
  return finish(args, true, `${rows.length} ops with ${kernels} variants; "reno kernels show OP" says more`, rows);
}
