/**
 * GroupNorm and its gradient in three passes: partial sums of each group by chunks of pixels; their combination, as a few
 * coefficients a channel; the result from those.
 */
import type { BufferRef, Dispatch } from '../../tensor/dispatch.ts';
import { perElement } from '../common/grid.ts';
import { vecOf } from '../common/site.ts';
import type { Team } from '../common/team.ts';
import { teamDispatch } from '../common/team.ts';
import type { Extent } from './extent.ts';
import type { Operand } from './operands.ts';
import { bind } from './operands.ts';

/** One use of the norm or its gradient. */
export interface Passes {
  readonly extent: Extent;
  /** Rows of the naive variant's table of channels. */
  readonly rows: number;
  readonly eps?: number;
  readonly code: {
    readonly sums: string;
    readonly combine: string;
    readonly apply: string;
    readonly one: string;
    readonly last: string;
  };
  readonly sums: readonly Operand[];
  readonly combine: readonly Operand[];
  readonly apply: readonly Operand[];
  /** All that the one pass or the last of two reads and writes. */
  readonly all: readonly Operand[];
}

/** Partial sums of each group by chunks of `length` pixels, and where they are. */
export function sumsPass(
  { extent, code, sums }: Passes,
  { label, activation, team, length }: { label: string; activation: string; team: Team; length: number },
): { readonly dispatch: Dispatch; readonly partial: BufferRef; readonly chunks: number } {
  const { images, pixels, channels, groups, perGroup } = extent;
  const chunks = Math.ceil(pixels / length);
  const vec = team === 'workgroup' ? vecOf(perGroup) : 1;
  const partial: BufferRef = { scratch: 0, type: { dtype: 'f32', shape: [images * groups, chunks, 2] } };
  const dispatch = teamDispatch({
    label: `${label}.sums`,
    code: activation + code.sums,
    team,
    vec,
    teams: images * groups * chunks,
    constants: { WIDTH: vec },
    params: { pixels, channels: channels / vec, groups, per_group: perGroup / vec, chunks, length },
    bindings: [...bind(sums, vec), { name: 'partial', ref: partial, access: 'write' }],
  });
  return { dispatch, partial, chunks };
}

/** The naive variant. */
export function threePasses(p: Passes, label: string, activation: string): Dispatch[] {
  const { images, pixels, channels, groups, perGroup } = p.extent;
  const length = Math.min(pixels, 64);
  const { dispatch, partial, chunks } = sumsPass(p, { label, activation, team: 'invocation', length });
  const table: BufferRef = { scratch: 1, type: { dtype: 'f32', shape: [images, p.rows, channels] } };
  return [
    dispatch,
    perElement({
      label: `${label}.combine`,
      code: p.code.combine,
      size: images * groups,
      params: {
        ...{ pixels, channels, groups, per_group: perGroup, chunks, length },
        share: { f32: 1 / (pixels * perGroup) },
        eps: { f32: p.eps ?? 0 },
      },
      bindings: [
        { name: 'partial', ref: partial, access: 'read' },
        ...bind(p.combine, 1),
        { name: 'table', ref: table, access: 'write' },
      ],
      workgroup: 16,
    }),
    perElement({
      label: `${label}.apply`,
      code: activation + p.code.apply,
      size: images * pixels * channels,
      constants: { T: 'f32' },
      params: { pixels, channels },
      bindings: [...bind(p.apply, 1), { name: 'table', ref: table, access: 'read' }],
    }),
  ];
}
