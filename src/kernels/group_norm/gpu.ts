/**
 * GroupNorm for GPUs, where a dispatch costs more than arithmetic. Small images: one workgroup a group does all.
 * Large ones: partial sums by chunks of pixels, then a pass whose workgroups combine them once more each.
 */
import type { BufferRef, Dispatch, Param } from '../../tensor/dispatch.ts';
import { vecOf } from '../common/site.ts';
import { teamDispatch } from '../common/team.ts';
import type { Extent } from './extent.ts';
import { SLICES, SPLIT_SCALAR, SPLIT_VECTOR } from './last_pass_wgsl.ts';
import type { Operand } from './operands.ts';
import { bind } from './operands.ts';

/** Elements of a group that one workgroup still gets through about as fast as a second dispatch would start. */
export const ONE_PASS_ELEMENTS = 1 << 17;
const WORKGROUP = 256;
/** Pixels of a partial sum. */
export const CHUNK = 1024;
/** Elements of x that a workgroup of the last pass writes: many beside the partial sums that it reads. */
const LEAST_WRITTEN = 1 << 14;
const MOST_WORKGROUPS = 512;

interface Given {
  readonly label: string;
  readonly extent: Extent;
  readonly eps: number;
  /** WGSL of the activation. */
  readonly activation: string;
  readonly operands: readonly Operand[];
}

/** A workgroup does all of an image's group. */
export function onePass(code: string, { label, extent, eps, activation, operands }: Given): Dispatch[] {
  const { images, pixels, channels, groups, perGroup } = extent;
  const vec = vecOf(perGroup);
  return [
    teamDispatch({
      label,
      code: activation + code,
      team: 'workgroup',
      vec,
      teams: images * groups,
      params: {
        pixels,
        channels: channels / vec,
        groups,
        per_group: perGroup / vec,
        share: { f32: 1 / (pixels * perGroup) },
        eps: { f32: eps },
      },
      bindings: bind(operands, vec),
      workgroup: WORKGROUP,
    }),
  ];
}

/** The second of two passes; `partial` is what the first made, `CHUNK` pixels at a time. */
export function lastPass(
  code: string,
  { label, extent, eps, activation, operands }: Given,
  partial: BufferRef,
): Dispatch {
  const { images, pixels, channels, groups, perGroup } = extent;
  const vec = vecOf(channels);
  const written = Math.max(LEAST_WRITTEN, (pixels * channels) / MOST_WORKGROUPS);
  const rows = Math.min(pixels, Math.max(1, Math.ceil(written / channels)));
  const parts = Math.ceil(pixels / rows);
  const isSplit = perGroup % vec !== 0;
  const split = vec === 4 ? SPLIT_VECTOR : SPLIT_SCALAR;
  const params: Record<string, Param> = {
    pixels,
    channels: channels / vec,
    groups,
    per_group: Math.max(1, Math.floor(perGroup / vec)),
    group_size: perGroup,
    chunk: CHUNK,
    chunks: Math.ceil(pixels / CHUNK),
    rows,
    parts,
    share: { f32: 1 / (pixels * perGroup) },
    eps: { f32: eps },
  };
  return teamDispatch({
    label,
    code: activation + SLICES + split + code,
    team: 'workgroup',
    vec,
    teams: images * parts,
    constants: { SPLIT: Number(isSplit) },
    params,
    bindings: [{ name: 'partial', ref: partial, access: 'read' }, ...bind(operands, vec)],
    workgroup: WORKGROUP,
  });
}

/** Whether a workgroup has a lane for each group. */
export const hasLanes = (extent: Extent, maxInvocations: number): boolean =>
  maxInvocations >= WORKGROUP && extent.groups <= WORKGROUP;
