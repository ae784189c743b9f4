/** WGSL of what follows the norm, over T: nothing or SiLU. */
import { SIGMOID, SILU } from '../common/math.ts';

const PLAIN = `
fn activate(z: T) -> T { return z; }
fn activate_slope(z: T) -> T { return T(1.0); }
`;
const WITH_SILU = `${SIGMOID}${SILU}
fn activate(z: T) -> T { return silu(z); }
fn activate_slope(z: T) -> T { return silu_slope(z); }
`;

export const activationOf = ({ silu }: { readonly silu: boolean }): string => (silu ? WITH_SILU : PLAIN);
