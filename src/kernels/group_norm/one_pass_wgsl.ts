/** WGSL of GroupNorm in one pass on GPUs, over T: a team is an image's group. */
import { DIVIDE } from '../common/divide.ts';

const GROUP_WALK = `${DIVIDE}
/** Element e of a group, from its first. */
fn place(e: u32) -> u32 {
  let pixel = quotient(e, params.per_group);
  return pixel * params.channels + e - pixel * params.per_group;
}
fn channel(group: u32, e: u32) -> u32 {
  return group * params.per_group + e - quotient(e, params.per_group) * params.per_group;
}
`;

export const FORWARD_ONE = `${GROUP_WALK}
fn run(team: u32, lane: u32) {
  let image = team / params.groups;
  let group = team - image * params.groups;
  let base = image * params.pixels * params.channels + group * params.per_group;
  let count = params.pixels * params.per_group;
  var sum = T();
  for (var e = lane; e < count; e += LANES) {
    sum += load_x(base + place(e));
  }
  let mean = team_sum(total(sum), lane) * params.share;
  var squares = T();
  for (var e = lane; e < count; e += LANES) {
    let d = load_x(base + place(e)) - mean;
    squares += d * d;
  }
  let scale = 1.0 / sqrt(team_sum(total(squares), lane) * params.share + params.eps);
  for (var e = lane; e < count; e += LANES) {
    let i = base + place(e);
    let c = channel(group, e);
    store_y(i, activate((load_x(i) - mean) * scale * load_gamma(c) + load_beta(c)));
  }
  if (lane == 0u) {
    store_stats(2u * team, mean);
    store_stats(2u * team + 1u, scale);
  }
}
`;

export const BACKWARD_ONE = `${GROUP_WALK}
fn run(team: u32, lane: u32) {
  let image = team / params.groups;
  let group = team - image * params.groups;
  let base = image * params.pixels * params.channels + group * params.per_group;
  let count = params.pixels * params.per_group;
  let mean = load_stats(2u * team);
  let scale = load_stats(2u * team + 1u);
  var sum = T();
  var dot = T();
  for (var e = lane; e < count; e += LANES) {
    let i = base + place(e);
    let c = channel(group, e);
    let n = (load_x(i) - mean) * scale;
    let g = load_gamma(c) * load_dy(i) * activate_slope(n * load_gamma(c) + load_beta(c));
    sum += g;
    dot += g * n;
  }
  let mean_g = team_sum(total(sum), lane) * params.share;
  let mean_gn = team_sum(total(dot), lane) * params.share;
  for (var e = lane; e < count; e += LANES) {
    let i = base + place(e);
    let c = channel(group, e);
    let n = (load_x(i) - mean) * scale;
    let g = load_gamma(c) * load_dy(i) * activate_slope(n * load_gamma(c) + load_beta(c));
    store_dx(i, scale * (g - mean_g - n * mean_gn));
  }
}
`;
