/**
 * GroupNorm on GPUs for small images. A workgroup normalises one group of one image: its 256 invocations stride over the
 * group's elements, add up in registers and combine through workgroup memory, then stride over them again to write. x is
 * read once for each pass over it, mostly from the cache; in return there is one dispatch, which on GPUs costs more than
 * the arithmetic of a group this small.
 */
import type { DeviceCaps } from '../../tensor/device/device_caps.ts';
import type { Binding, Dispatch } from '../../tensor/dispatch.ts';
import type { OpSite, Variant } from '../../tensor/op.ts';
import { at } from '../../tensor/types.ts';
import { DIVIDE } from '../common/divide.ts';
import { canStoreOne, vecOf } from '../common/site.ts';
import { teamDispatch } from '../common/team.ts';
import type { BackwardAttrs, Extent, GroupNormAttrs } from './shapes.ts';
import { activationCode, backwardBindings, backwardExtent, forwardBindings, forwardExtent } from './shapes.ts';

/** Elements of a group up to which one workgroup takes about as long as a second dispatch would take to start. */
const MAX_ELEMENTS = 1 << 17;
const WORKGROUP = 256;

const GROUP_INDEX = `${DIVIDE}
/** Index of element e of a group, from the group's first element. */
fn place(e: u32) -> u32 {
  let pixel = quotient(e, params.per_group);
  return pixel * params.channels + e - pixel * params.per_group;
}
fn channel(group: u32, e: u32) -> u32 {
  return group * params.per_group + e - quotient(e, params.per_group) * params.per_group;
}
`;

const FORWARD = `${GROUP_INDEX}
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

/** The formula is in backward.ts. */
const BACKWARD = `${GROUP_INDEX}
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

function supports(site: OpSite<GroupNormAttrs> | OpSite<BackwardAttrs>, extent: Extent, caps: DeviceCaps): boolean {
  const { pixels, groups, perGroup } = extent;
  return (
    pixels * perGroup <= MAX_ELEMENTS &&
    caps.maxInvocations >= WORKGROUP &&
    groups <= WORKGROUP &&
    (vecOf(perGroup) === 4 || canStoreOne(at(site.outputs, 0), caps))
  );
}

function dispatches(
  label: string,
  code: string,
  extent: Extent,
  eps: number,
  bindings: (vec: 1 | 4) => readonly Binding[],
): Dispatch[] {
  const { images, pixels, channels, groups, perGroup } = extent;
  const vec = vecOf(perGroup);
  const dispatch = teamDispatch({
    label,
    code,
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
    bindings: bindings(vec),
    workgroup: WORKGROUP,
  });
  return [dispatch];
}

export const gpuOnePass: Variant<GroupNormAttrs> = {
  name: 'gpu_one_pass',
  supports: (site, caps) => supports(site, forwardExtent(site), caps),
  dispatches: (site) => {
    const code = activationCode(site.attrs) + FORWARD;
    return dispatches('group_norm.gpu_one_pass', code, forwardExtent(site), site.attrs.eps, forwardBindings);
  },
};

export const gpuOnePassBackward: Variant<BackwardAttrs> = {
  name: 'gpu_one_pass',
  supports: (site, caps) => supports(site, backwardExtent(site), caps),
  dispatches: (site) => {
    const code = activationCode(site.attrs) + BACKWARD;
    return dispatches('group_norm_backward.gpu_one_pass', code, backwardExtent(site), 0, backwardBindings);
  },
};
