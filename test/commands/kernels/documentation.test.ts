import { describe, expect, it } from 'vitest';
import { firstSentence, KernelDocumentation, kernelDocumentation } from '../../../commands/kernels/documentation.ts';
import '../../../src/kernels/index.ts';
import { allOps } from '../../../src/tensor/op.ts';

const documentation = kernelDocumentation();

describe('the documentation of kernels', () => {
  it.each([...allOps().keys()])('%s says what it computes', (name) => {
    const { file = '', text = '' } = documentation.op(name) ?? {};
    expect(file).toMatch(/^src\/kernels\/.*\.ts$/);
    expect(firstSentence(text).length).toBeGreaterThan(2);
  });

  it('has the idea of every variant', () => {
    const names = [...allOps().values()].flatMap(({ variants }) => variants.map(({ name }) => name));
    expect([...new Set(names)].filter((name) => documentation.variant(name) === undefined)).toEqual([]);
  });

  it('a variant with a file of its own is described there', () => {
    expect(documentation.variantFile('conv2d', 'winograd_gpu')?.text).toMatch(/Winograd/);
    expect(documentation.variantFile('attention_backward', 'gpu_tile')?.file).toMatch(/gpu_tile_backward\.ts$/);
    expect(documentation.variantFile('exp', 'vec4')).toBeUndefined();
  });
});

describe('reading sources', () => {
  const made = (text: string) =>
    new KernelDocumentation([{ path: 'src/kernels/made.ts', text }], '| `a`, `b` | an idea |');

  it('takes the comment of the public function first', () => {
    const source =
      "/** File. */\n/** Makes it. */\nconst op = defineOp({\n  name: 'made_up',\n});\n/** The made thing. More. */\nexport const madeUp = 1;\n";
    expect(made(source).op('made_up')).toEqual({ file: 'src/kernels/made.ts', text: 'The made thing. More.' });
    expect(made(source.replace('madeUp', 'other')).op('made_up')?.text).toBe('Makes it.');
  });

  it('finds nothing where there is no comment', () => {
    expect(
      made("/** File. */\nimport x;\nconst op = defineOp({\n  name: 'made_up',\n});\n").op('made_up'),
    ).toBeUndefined();
  });

  it('reads the ideas of variants from the table', () => {
    expect(made('').variant('b')).toBe('an idea');
    expect(made('').variant('c')).toBeUndefined();
  });
});
