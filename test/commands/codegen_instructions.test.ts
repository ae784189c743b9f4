import { describe, expect, it } from 'vitest';
import { familyTable, rowsOf } from '../../commands/codegen/codegen_rows.ts';
import { countInstructions } from '../../commands/codegen/instruction_kinds.ts';
import { type CompiledKernel, sharesOf } from '../../commands/codegen/pipelines.ts';

it("counts the instructions of AMD's assembly by mnemonic, and nothing else", () => {
  const assembly = [
    'BB0:',
    '\ts_load_b128 s[0:3], s[2:3], 0x0                            ; f4080001 f8000000',
    '\tv_wmma_f32_16x16x16_f16 v[8:15], v[16:23], v[24:31], v[8:15] ; cc404008 1c223110',
    '\tv_wmma_f32_16x16x16_f16 v[0:7], v[16:23], v[24:31], v[0:7] ; cc404000 1c023110',
    'BB1:',
    '\ts_endpgm                                                    ; bfb00000',
  ];
  expect(Object.fromEntries(countInstructions(assembly.join('\n')))).toEqual({
    s_load_b128: 1,
    v_wmma_f32_16x16x16_f16: 2,
    s_endpgm: 1,
  });
});

it('divides the arithmetic of an op over its dispatches by what each asks of matrix units', () => {
  const work = (flops: number) => ({ matrixWork: { products: 1, flops, multiplications: 8, bytesPerFlop: 0.1 } });
  expect(sharesOf([{}, work(30), work(10)])).toEqual([0, 0.75, 0.25]);
  expect(sharesOf([{}, {}])).toEqual([1, 0]);
});

describe('rows', () => {
  const kernel = (label: string, matrices: number, issued: number): CompiledKernel => ({
    label,
    dispatches: 2,
    flops: 1e6,
    matrixWork: { products: 3, flops: 3e6 * issued, multiplications: 12, bytesPerFlop: 0.005 },
    wgsl: '',
    statistics: { VGPRs: 96 + matrices, 'LDS size': 1024, 'Subgroups per SIMD': 8, Instructions: 1000 },
    instructions: new Map([
      ['v_wmma_f32_16x16x16_f16', matrices],
      ['s_endpgm', 1],
    ]),
  });
  const alu: CompiledKernel = { ...kernel('b.naive', 0, 0), matrixWork: null };

  it('say how much tiles compute and load beside what the op needs', () => {
    const rows = rowsOf([kernel('a.tile', 12, 1.25), alu]);
    expect(rows[0]).toMatchObject({ share: 0.5, matrix: 12, written: 12, issued: 1.25, loaded: 18.75, least: 15 });
    expect(rows[1]).toMatchObject({ matrix: 0, written: 0, issued: 0, loaded: 0, least: 0 });
  });

  it('of one op and variant are one line of Markdown, which says where a compiler changed the multiplications', () => {
    const right = familyTable(rowsOf([kernel('a.tile', 12, 1), kernel('a.tile+add', 12, 1.5), alu]));
    expect(right).toHaveLength(3);
    expect(right[2]).toBe('| `a.tile` | 2 | 4 | 66.67 % | 108 | 1,024 | 8 | 1,000 | 12 | all | 1.250 | 18.8; 15.0 |');
    expect(familyTable(rowsOf([kernel('a.tile', 12, 1), kernel('a.tile', 24, 1)]))[2]).toContain('| 12–24 | not all |');
  });
});
