/** The product at the 36 points on CPU drivers: WIDE_TILE on operands that lie as PANELS says. m is [36][tiles][4 cout4]. */
import { WIDE_TILE } from '../../common/wide_tile_wgsl.ts';

export const WINOGRAD_PRODUCT = /* wgsl */ `${WIDE_TILE}
var<private> place: vec3u;

fn put(r: u32, v: vec4f) {
  if (place.x < params.cout4) {
    store_m((place.z * params.tiles + place.y + r) * params.cout4 + place.x, v);
  }
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  place = vec3u(group.x * 8u + lane, group.y * 32u, group.z);
  var a = (group.z * params.rowPanels + group.y) * params.cin4 * 32u + lane;
  var b = (group.z * params.columnPanels + group.x) * params.cin4 * 32u + lane;
  var sum = Wide();
  for (var k = 0u; k < params.cin4; k++) {
    let rows = Lanes(load_points(a), load_points(a + 8u), load_points(a + 16u), load_points(a + 24u));
    let steps = Steps(load_u(b), load_u(b + 8u), load_u(b + 16u), load_u(b + 24u));
    sum = wide_step(sum, rows, steps);
    a += 32u;
    b += 32u;
  }
  put_wide(sum, params.tiles - place.y);
}
`;
