import { expect, it } from 'vitest';
import { countInstructions } from '../../commands/codegen/pipelines.ts';

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
