import { describe, expect, it } from 'vitest';
import { assemblyLoops, describeLoops } from '../../commands/codegen/assembly_loops.ts';
import { describeTotals, familyTable, kernelTable, rowsOf, totalsOf } from '../../commands/codegen/codegen_rows.ts';
import { instructionKinds } from '../../commands/codegen/instruction_kinds.ts';
import { type CompiledUse, sharesOf } from '../../commands/codegen/pipelines.ts';

it("counts the instructions of AMD's assembly by kind, and nothing else", () => {
  const assembly = [
    'BB0:',
    '\ts_load_b128 s[0:3], s[2:3], 0x0                            ; f4080001 f8000000',
    '\tv_wmma_f32_16x16x16_f16 v[8:15], v[16:23], v[24:31], v[8:15] ; cc404008 1c223110',
    '\tv_wmma_f32_16x16x16_f16 v[0:7], v[16:23], v[24:31], v[0:7] ; cc404000 1c023110',
    'BB1:',
    '\ts_endpgm                                                    ; bfb00000',
  ];
  const none = { arithmetic: 0, LDS: 0, memory: 0, other: 0 };
  expect(instructionKinds(assembly.join('\n'))).toEqual({ ...none, matrix: 2, scalar: 2 });
  expect(instructionKinds('')).toBeNull();
});

it("counts them as Mesa's own compiler prints them, where its LLVM does not know the GPU", () => {
  const program = [
    'Shader disassembly is not supported in the current configuration, falling back to print_program.',
    '/* logical preds: / linear preds: / kind: uniform, top-level, */',
    '\t s1: %1638:s[0] = s_pack_ll_b32_b16 %1635:s[115], 0',
    '\ts_delay_alu valu_dep_1 next valu_dep_1',
    '\t s2: %2133:s[4-5],  s1: %2132:scc = s_andn2_b64 %2131:s[4-5], %0:exec',
    '\t v1: %6:v[1] = v_lshlrev_b32 4, (is16bit)%3:v[1]',
    '\tbuffer_store_dwordx4 %1:s[0-3], %2:v[1], 0, %3:v[4-7] storage: buffer',
    '\ts_endpgm',
  ];
  const none = { LDS: 0, matrix: 0, other: 0 };
  expect(instructionKinds(program.join('\n'))).toEqual({ ...none, scalar: 4, arithmetic: 1, memory: 1 });
});

it('finds loops within loops, by the branches back', () => {
  const assembly = [
    ...['BB0:', '\ts_mov_b32 s0, 0', 'BB1:', '\tglobal_load_b128 v[0:3], v4, s[0:1]', '\ts_cbranch_scc1 BB4'],
    ...['BB2:', '\tds_load_b128 v[0:3], v4', '\tv_fmac_f32 v0, v1, v2', '\ts_cbranch_scc0 BB2 ; bfa1ffff'],
    ...['BB3:', '\ts_branch BB1', 'BB4:', '\ts_endpgm'],
  ].join('\n');
  const loops = assemblyLoops(assembly);
  expect(loops.map(({ label, depth, instructions }) => [label, depth, instructions])).toEqual([
    ['BB1', 0, 6],
    ['BB2', 1, 3],
  ]);
  expect(describeLoops(loops)).toEqual([
    '  loop BB1: 6 instructions a round (1 arithmetic, 1 LDS, 1 memory, 3 scalar)',
    '    loop BB2: 3 instructions a round (1 arithmetic, 1 LDS, 1 scalar)',
  ]);
  expect(assemblyLoops(assembly.replace('BB2 ;', 'BB4 ;').replace('s_branch BB1', 's_branch BB4'))).toEqual([]);
});

it('divides the arithmetic of an op over its dispatches by what each asks of matrix units', () => {
  const work = (flops: number) => ({ matrixWork: { products: 1, flops, multiplications: 8, bytesPerFlop: 0.1 } });
  expect(sharesOf([{}, work(30), work(10)])).toEqual([0, 0.75, 0.25]);
  expect(sharesOf([{}, {}])).toEqual([1, 0]);
});

describe('rows', () => {
  const kernel = (label: string, matrices: number, issued: number): CompiledUse => ({
    ...{ label, site: '', dispatches: { load: 1, prompt: 0, step: 2 }, flops: 1e6 },
    matrixWork: { products: 3, flops: 3e6 * issued, multiplications: 12, bytesPerFlop: 0.005 },
    compiled: {
      wgsl: '',
      statistics: {
        ...{ VGPRs: 96 + matrices, 'Spilled VGPRs': 0, 'Spilled SGPRs': 0 },
        ...{ 'LDS size': 1024, 'Subgroups per SIMD': 8, Instructions: 1000 },
      },
      assembly: `${'\tv_wmma_f32_16x16x16_f16 v[8:15]\n'.repeat(matrices)}\ts_endpgm`,
    },
  });
  const alu: CompiledUse = { ...kernel('b.naive', 0, 0), matrixWork: null };

  it('say how much tiles compute and load beside what the op needs', () => {
    const rows = rowsOf([kernel('a.tile', 12, 1.25), alu], 2e6);
    expect(rows[0]).toMatchObject({
      share: 0.5,
      kinds: { matrix: 12 },
      written: 12,
      issued: 1.25,
      loaded: 18.75,
      least: 15,
    });
    expect(rows[1]).toMatchObject({ kinds: { matrix: 0 }, written: 0, issued: 0, loaded: 0, least: 0 });
  });

  it('of one op and variant are one line of Markdown, which says where a compiler changed the multiplications', () => {
    const right = familyTable(rowsOf([kernel('a.tile', 12, 1), kernel('a.tile+add', 12, 1.5), alu], 3e6));
    expect(right).toHaveLength(3);
    expect(right[2]).toBe('| `a.tile` | 2 | 4 | 66.67 % | 108 | 1,024 | 8 | 1,000 | 12 | all | 1.250 | 18.8; 15.0 |');
    expect(familyTable(rowsOf([kernel('a.tile', 12, 1), kernel('a.tile', 24, 1)], 2e6))[2]).toContain(
      '| 12–24 | not all |',
    );
  });

  it('are said in one sentence, with what does not compile and what spills', () => {
    const broken: CompiledUse = { ...alu, label: 'c.naive', compiled: new Error('kernel c.naive does not compile') };
    const spilling = { ...kernel('d.tile', 12, 1) };
    const rows = rowsOf([kernel('a.tile', 12, 1), broken, spilling], 3e6);
    const right = rows.slice(0, 1);
    const spilled = rows.map((row) => (row.label === 'd.tile' ? { ...row, spilled: 3 } : row));
    expect(describeTotals(totalsOf(right))).toBe(
      '1 of 1 pipelines compile, none spills, 33.33 % of the arithmetic in kernels with matrix instructions, all with as many as their source has',
    );
    expect(describeTotals(totalsOf(spilled))).toMatch(/^2 of 3 pipelines compile, 1 spills, 66\.67 %/);
    expect(kernelTable(spilled).join('\n')).toMatch(/c\.naive .* does not compile/);
  });

  it("have another driver's own figures by its own names", () => {
    const statistics = { 'Register Count': 40, 'Stack Size': 0 };
    const other: CompiledUse = { ...alu, compiled: { wgsl: '', assembly: '', statistics } };
    const lines = kernelTable(rowsOf([other], 1e6));
    expect(lines[0]).toMatch(/arithmetic {2}Register Count {2}Stack Size$/);
    expect(lines[1]).toMatch(/100\.00 % +40 +0$/);
    expect(describeTotals(totalsOf(rowsOf([other], 1e6)))).toBe('1 of 1 pipelines compile');
  });
});
