/** The dispatches of the attention kernels, from the kernels' code and from how a variant divides the rows. */
import type { DeviceCaps } from '../../tensor/device/device_caps.ts';
import type { Dispatch, MatrixWork } from '../../tensor/dispatch.ts';
import type { OpSite } from '../../tensor/op.ts';
import { at } from '../../tensor/types.ts';
import type { GradientShare } from './operands.ts';
import { attentionParams, backwardBindings, forwardBindings, gradientsCode, operandsCode } from './operands.ts';
import type { AttentionAttrs, BackwardAttrs, Gradients } from './shapes.ts';
import { siteSizes } from './shapes.ts';

/** How a variant divides the work; a workgroup's head is its y, its batch its z. */
export interface Blocking {
  /** The variant's name. */
  readonly name: string;
  /** Query rows, or key rows, of a workgroup. */
  readonly rows: number;
  /** Elements of a load. */
  readonly vec: 1 | 4;
  /** Attributes of the entry point beside the workgroup size, such as a fixed subgroup size. */
  readonly attribute?: string;
  /** For kernels on matrix units: what rows of `share` ask of them. */
  readonly matrixWork?: (share: 'forward' | GradientShare) => MatrixWork;
  /** `Element`, HEAD (both as in operands.ts), LANES, and the kernel's own constants, for heads of `head` elements. */
  readonly constants: (head: number) => Readonly<Record<string, number | string>>;
}

export function forwardDispatch(site: OpSite<AttentionAttrs>, blocking: Blocking, code: string): Dispatch {
  const { batch, queries, heads, head } = siteSizes(site);
  const { name, rows, vec, constants } = blocking;
  return {
    label: `attention.${name}`,
    code: code + operandsCode(site),
    constants: constants(head),
    params: { ...attentionParams(site, vec), places: 4 * head },
    bindings: forwardBindings(site, vec),
    workgroups: [Math.ceil(queries / rows), heads, batch],
    ...(blocking.matrixWork ? { matrixWork: blocking.matrixWork('forward') } : {}),
  };
}

/** WGSL of a variant's backward pass: `fn backward_query` and `fn backward_keys`, and what both call. */
export interface BackwardCode {
  readonly query: string;
  readonly keys: string;
  readonly common: string;
}

/** Where both gradients are one dispatch, the first `query_groups` workgroups of x compute dq and the others dk and dv. */
const BODIES: Readonly<Record<Gradients, string>> = {
  query: `
  backward_query(group, lane);
`,
  keys: `
  backward_keys(group, lane);
`,
  all: `
  if (group.x < params.query_groups) {
    backward_query(group, lane);
  } else {
    backward_keys(group - vec3u(params.query_groups, 0u, 0u), lane);
  }
`,
};

const main = (gradients: Gradients, attribute = ''): string => /* wgsl */ `
@compute @workgroup_size(LANES)${attribute}
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {${BODIES[gradients]}}
`;

function backwardDispatch(
  site: OpSite<BackwardAttrs>,
  { name, rows, vec, attribute, constants, matrixWork }: Blocking,
  { query, keys: keysCode, common }: BackwardCode,
  share: GradientShare,
): Dispatch {
  const { batch, queries, keys, heads, head } = siteSizes(site);
  const computed: Gradients = share === 'dk' || share === 'dv' ? 'keys' : share;
  const code = { query, keys: keysCode, all: query + keysCode }[computed];
  const queryGroups = computed === 'keys' ? 0 : Math.ceil(queries / rows);
  const keyGroups = computed === 'query' ? 0 : Math.ceil(keys / rows);
  return {
    label: `attention_backward.${name}`,
    code: code + common + main(computed, attribute) + gradientsCode(site, share),
    constants: constants(head),
    params: { ...attentionParams(site, vec), query_groups: queryGroups, places: 4 * head },
    bindings: backwardBindings(site, share, vec),
    workgroups: [queryGroups + keyGroups, heads, batch],
    ...(matrixWork ? { matrixWork: matrixWork(share) } : {}),
  };
}

/** Ways to divide the gradients over dispatches, best first. The last has 8 buffers at most, which every device has. */
const DIVISIONS: Readonly<Record<Gradients, readonly (readonly GradientShare[])[]>> = {
  all: [['all'], ['query', 'keys'], ['query', 'dk', 'dv']],
  query: [['query']],
  keys: [['keys'], ['dk', 'dv']],
};

/** `isSplit`: dq in a dispatch of its own even where the buffers allow one dispatch for all. */
export function backwardDispatches(
  site: OpSite<BackwardAttrs>,
  caps: DeviceCaps,
  blocking: Blocking,
  code: BackwardCode,
  isSplit = false,
): Dispatch[] {
  const divisions = DIVISIONS[site.attrs.gradients].filter((shares) => !(isSplit && shares.includes('all')));
  const fits = (shares: readonly GradientShare[]): boolean =>
    shares.every((share) => backwardBindings(site, share, blocking.vec).length <= caps.maxStorageBuffers);
  const shares = divisions.find(fits) ?? at(divisions, divisions.length - 1);
  return shares.map((share) => backwardDispatch(site, blocking, code, share));
}
