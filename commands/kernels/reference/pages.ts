/** The pages of the reference: one for each op, and an index. */
import { markdownTable } from '../../common/table.ts';
import { firstSentence } from '../documentation.ts';
import type { DescribedKernel, DescribedOp, ShownUse } from './described_kernels.ts';
import { FAMILY_TITLES, familyOf } from './families.ts';
import type { ReferenceFigures } from './figures.ts';

const SOURCE = '../../..';

const source = (file: string): string => `[${file}](${SOURCE}/${file})`;
const count = (value: number): string => value.toLocaleString('en');

/** Text in a cell or a paragraph of Markdown. */
const plain = (text: string): string => text.replaceAll(/[<>|*_[\]]/g, (character) => `\\${character}`);

/** A doc comment as sentences. */
function sentences(comment: string): string {
  const text = plain(comment.replaceAll(/\.? *@throws (\w+) /g, '. It throws $1 '));
  return /[.!?]\)?$/.test(text) ? text : `${text}.`;
}

/** Returns the pages by file name. */
export function referencePages(ops: readonly DescribedOp[], figures: ReferenceFigures): Map<string, string> {
  const pages = ops.map((op): [string, string] => [`${op.op.name}.md`, opPage(op, figures)]);
  return new Map([['README.md', indexPage(ops, figures)], ...pages]);
}

function indexPage(ops: readonly DescribedOp[], { measured, compiled }: ReferenceFigures): string {
  const kernels = ops.reduce((sum, op) => sum + op.kernels.length, 0);
  const lines = [
    '# Reference of kernels',
    '',
    `${ops.length} ops with ${kernels} variants. Written by \`npm run reno -- kernels reference\`; do not edit it by hand. A test compares these pages with`,
    'the sources: after a change of a kernel, of its documentation or its cases, run the command again.',
    '',
    `- \`kernels reference --measure\` takes time and error on this machine's adapter, of kernels that changed since: here ${measured.on}, ${measured.date}, commit ${measured.commit}.`,
    `- \`kernels reference --gpu navi31\` asks AMD's compiler in Mesa: here ${compiled.on}, ${compiled.date}, commit ${compiled.commit}.`,
    '- `--op NAME` takes the figures of one op only.',
    '',
    'Each page has what the op computes, its test cases with their cost, and of each variant its idea, the WGSL of one use, its speed and error and',
    'what the compiler makes of it. [Ops and kernels](../../engine/kernels.md) explains variants and how one is chosen,',
    "[change a kernel](../change-a-kernel.md) how to try another, [what a GPU's compiler makes of the kernels](../codegen.md) has whole models.",
    '',
  ];
  const sections = FAMILY_TITLES.flatMap((title) => {
    const own = ops.filter(({ file }) => familyOf(file) === title);
    const rows = own.map(({ op, text, kernels: variants }) => [
      `[${plain(op.name)}](${op.name}.md)`,
      plain(firstSentence(text)),
      variants.map(({ variant }) => `\`${variant}\``).join(' ') || 'none: it gives a buffer another shape',
    ]);
    return [`## ${title}`, '', ...markdownTable(['op', 'computes', 'variants'], rows), ''];
  });
  return `${[...lines, ...sections].join('\n').trimEnd()}\n`;
}

function opPage({ op, file, text, cases, kernels }: DescribedOp, figures: ReferenceFigures): string {
  const hasGradient = op.vjp ? 'It has a gradient.' : 'It has no gradient of its own.';
  const rows = cases.map(({ name, types, cost }, i) => [
    String(i),
    plain(name),
    `\`${types}\``,
    count(cost.flops),
    count(cost.bytes),
  ]);
  const lines = [
    `# ${plain(op.name)}`,
    '',
    `${sentences(text)} ${hasGradient} Source: ${source(file)}. [All ops](README.md).`,
    '',
    ...(op.isView
      ? ['It gives a buffer another shape: nothing runs.', '']
      : kernels.flatMap((one) => section(one, figures))),
    '## Test cases',
    '',
    'Operations and bytes are those of the cost model: every operand crosses memory once.',
    '',
    ...markdownTable(['case', 'name', 'inputs and attributes', 'operations', 'bytes'], rows),
  ];
  return `${lines.join('\n').trimEnd()}\n`;
}

function section(kernel: DescribedKernel, figures: ReferenceFigures): string[] {
  const { variant, idea, own, shown } = kernel;
  const documentation = [
    ...(idea === '' ? [] : [`**Idea:** ${plain(idea)}.`]),
    ...(own ? [`${sentences(own.text)} (${source(own.file)})`] : []),
  ];
  return [
    `## ${plain(variant)}`,
    '',
    documentation.join(' '),
    '',
    ...(shown ? useOf(kernel, shown, figures) : ['No test case of the op reaches this variant.', '']),
  ];
}

function useOf(kernel: DescribedKernel, shown: ShownUse, figures: ReferenceFigures): string[] {
  const { flops, bytes } = shown.cost;
  return [
    `At \`${shown.types}\`: ${count(flops)} operations and ${count(bytes)} bytes, ${(flops / bytes).toPrecision(3)} operations a byte.`,
    '',
    `- Measured: ${measuredLine(kernel.name, shown, figures)}`,
    `- Compiled: ${compiledLine(kernel.name, shown, figures)}`,
    '',
    `<details><summary>WGSL, planned for ${shown.planned}</summary>`,
    '',
    ...shown.wgsl.flatMap((code) => ['```wgsl', code.trimEnd(), '```', '']),
    '</details>',
    '',
  ];
}

const OLD = '; of an earlier version of this kernel';

const placeOf = ({ at }: { readonly at?: string }): string => (at === undefined ? '' : `at \`${at}\`: `);

function measuredLine(name: string, { hash }: ShownUse, { measured }: ReferenceFigures): string {
  const row = measured.rows[name];
  if (!row) {
    return row === null ? `not on ${measured.on}, which does not support this variant.` : 'not yet.';
  }
  const right = row.nmse <= row.bound ? '' : ', WRONG';
  return `${placeOf(row)}${row.ms} ms, ${row.gflops > 0 ? `${row.gflops} GFLOP/s, ` : ''}${row.gigabytesPerSecond} GB/s; error (NMSE) ${row.nmse === 0 ? '0' : row.nmse.toExponential(1)}, allowed ${row.bound.toExponential(0)}${right}${row.hash === hash ? '' : OLD}.`;
}

function compiledLine(name: string, { hash }: ShownUse, { compiled }: ReferenceFigures): string {
  const row = compiled.rows[name];
  if (!row) {
    return row === null ? `not for ${compiled.on}, which does not support this variant.` : 'not yet.';
  }
  const matrix = row.matrix > 0 ? `, ${count(row.matrix)} matrix` : '';
  const pipelines = row.pipelines > 1 ? `${row.pipelines} pipelines, at most ` : '';
  return `${placeOf(row)}${pipelines}${row.vgprs} VGPRs, ${row.spilled} spilled, ${count(row.lds)} bytes of workgroup memory, ${row.pipelines > 1 ? 'at least ' : ''}${row.waves} waves per SIMD, ${count(row.instructions)} instructions (${count(row.memory)} memory${matrix})${row.hash === hash ? '' : OLD}.`;
}
