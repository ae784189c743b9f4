/** The dispatch that most variants of the matrix product share: bindings, params and the epilogue. */
import type { Binding, Dispatch } from '../../tensor/dispatch.ts';
import type { OpSite } from '../../tensor/op.ts';
import { read, write } from '../common/bindings.ts';
import { batchEpilogueCode, epilogueCode } from '../common/epilogue_wgsl.ts';
import type { MatmulAttrs, Problem } from './problem.ts';
import { biasCount, siteProblem } from './problem.ts';

interface Extra {
  readonly params?: Readonly<Record<string, number>>;
  readonly constants?: Readonly<Record<string, number>>;
  readonly vecA?: 1 | 4;
  readonly vecB?: 1 | 4;
}

/** Bindings of y and of what its epilogue reads. */
export function resultBindings({ attrs: { bias, residual } }: OpSite<MatmulAttrs>, vec: 1 | 4): Binding[] {
  return [
    write('y', 0, vec),
    ...(bias ? [read('bias', 2, vec)] : []),
    ...(residual ? [read('residual', bias ? 3 : 2, vec)] : []),
  ];
}

/** The one dispatch of a variant; `vec` says how b (unless `vecB` does), y, bias and residual are indexed. */
export function productDispatch(
  site: OpSite<MatmulAttrs>,
  label: string,
  code: string,
  workgroups: (p: Problem) => readonly [number, number, number],
  vec: 1 | 4 = 1,
  { params = {}, constants = {}, vecA = 1, vecB = vec }: Extra = {},
): Dispatch[] {
  const problem = siteProblem(site);
  const { m, n, k, stepA, stepB } = problem;
  const bindings: Binding[] = [read('a', 0, vecA), read('b', 1, vecB), ...resultBindings(site, vec)];
  return [
    {
      label,
      code: code + (biasCount(site) > 1 ? batchEpilogueCode(site.attrs, vec) : epilogueCode(site.attrs, vec)),
      constants,
      params: { m, n, k, stepA, stepB, n4: Math.floor(n / 4), ...params },
      bindings,
      workgroups: workgroups(problem),
    },
  ];
}
