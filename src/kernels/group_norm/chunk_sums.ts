/**
 * The first pass of gpu_two_pass.ts and naive.ts: partial sums of each group over chunks of pixels, in scratch 0. A team (one
 * invocation or one workgroup, see common/team.ts) adds up one chunk of one group of one image.
 */
import type { Binding, BufferRef, Dispatch } from '../../tensor/dispatch.ts';
import type { OpSite } from '../../tensor/op.ts';
import { read, write } from '../common/bindings.ts';
import { vecOf } from '../common/site.ts';
import type { Team } from '../common/team.ts';
import { teamDispatch } from '../common/team.ts';
import type { BackwardAttrs, Extent, GroupNormAttrs } from './shapes.ts';
import { activationCode, backwardExtent, backwardInputs, forwardExtent } from './shapes.ts';

/** The chunk of a team; sizes of channels are counted in T. */
const TEAM = `
struct Part { group: u32, image: u32, first: u32, end: u32, base: u32 }
fn part(team: u32) -> Part {
  let group = team / params.chunks % params.groups;
  let image = team / params.chunks / params.groups;
  let first = team % params.chunks * params.length;
  let end = min(first + params.length, params.pixels);
  return Part(group, image, first, end, image * params.pixels * params.channels + group * params.per_group);
}
`;

/** Mean of the chunk, and the sum of squared distances from it. */
const STATISTICS = `${TEAM}
fn run(team: u32, lane: u32) {
  let p = part(team);
  let count = f32((p.end - p.first) * params.per_group * WIDTH);
  var sum = T();
  for (var pixel = p.first + lane; pixel < p.end; pixel += LANES) {
    let start = p.base + pixel * params.channels;
    for (var i = start; i < start + params.per_group; i++) {
      sum += load_x(i);
    }
  }
  let mean = team_sum(total(sum), lane) / count;
  var squares = T();
  for (var pixel = p.first + lane; pixel < p.end; pixel += LANES) {
    let start = p.base + pixel * params.channels;
    for (var i = start; i < start + params.per_group; i++) {
      let d = load_x(i) - mean;
      squares += d * d;
    }
  }
  let around = team_sum(total(squares), lane);
  if (lane == 0u) {
    store_partial(2u * team, mean);
    store_partial(2u * team + 1u, around);
  }
}
`;

/** Σ g and Σ g n of the chunk, see backward.ts. */
const GRADIENT_SUMS = `${TEAM}
fn run(team: u32, lane: u32) {
  let p = part(team);
  let statistics = 2u * (p.image * params.groups + p.group);
  let mean = load_stats(statistics);
  let scale = load_stats(statistics + 1u);
  var sum = T();
  var dot = T();
  for (var pixel = p.first + lane; pixel < p.end; pixel += LANES) {
    let start = p.base + pixel * params.channels;
    for (var k = 0u; k < params.per_group; k++) {
      let c = p.group * params.per_group + k;
      let gamma = load_gamma(c);
      let n = (load_x(start + k) - mean) * scale;
      let g = gamma * load_dy(start + k) * activate_slope(n * gamma + load_beta(c));
      sum += g;
      dot += g * n;
    }
  }
  let g = team_sum(total(sum), lane);
  let gn = team_sum(total(dot), lane);
  if (lane == 0u) {
    store_partial(2u * team, g);
    store_partial(2u * team + 1u, gn);
  }
}
`;

export interface ChunkSums {
  readonly dispatch: Dispatch;
  /** [images · groups, chunks, 2]. */
  readonly partial: BufferRef;
  readonly chunks: number;
  /** Pixels of a chunk; the last one of an image may have fewer. */
  readonly length: number;
}

/** How the pass is divided: what a team is, and the most pixels of a chunk. */
interface Division {
  readonly label: string;
  readonly team: Team;
  readonly pixels: number;
}

function chunkSums(
  extent: Extent,
  { label, team, pixels: most }: Division,
  code: string,
  bindings: (vec: 1 | 4) => readonly Binding[],
): ChunkSums {
  const { images, pixels, channels, groups, perGroup } = extent;
  const length = Math.min(pixels, most);
  const chunks = Math.ceil(pixels / length);
  const vec = team === 'workgroup' ? vecOf(perGroup) : 1;
  const partial: BufferRef = { scratch: 0, type: { dtype: 'f32', shape: [images * groups, chunks, 2] } };
  const dispatch = teamDispatch({
    label: `${label}.sums`,
    code,
    team,
    vec,
    teams: images * groups * chunks,
    constants: { WIDTH: vec },
    params: { pixels, channels: channels / vec, groups, per_group: perGroup / vec, chunks, length },
    bindings: [...bindings(vec), write('partial', partial)],
  });
  return { dispatch, partial, chunks, length };
}

export const statisticsOfChunks = (site: OpSite<GroupNormAttrs>, division: Division): ChunkSums =>
  chunkSums(forwardExtent(site), division, activationCode(site.attrs) + STATISTICS, (vec) => [read('x', 0, vec)]);

export const gradientSumsOfChunks = (site: OpSite<BackwardAttrs>, division: Division): ChunkSums =>
  chunkSums(backwardExtent(site), division, activationCode(site.attrs) + GRADIENT_SUMS, backwardInputs);
