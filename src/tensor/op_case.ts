/** Test cases of ops. */
import type { Attrs } from './op.ts';
import type { DType, Shape } from './types.ts';

/**
 * An input as a test makes it. `ids`: integers in [0, below). `rising`: normal, times a factor that grows from the first element to the
 * last, from 1e-6 to 1e6. Default: standard normal f32.
 */
export interface CaseInput {
  readonly shape: Shape;
  readonly dtype?: DType;
  readonly fill?: 'normal' | 'positive' | 'unit' | 'ids' | 'mask' | 'rising';
  readonly below?: number;
  readonly scale?: number;
}

/** A test case: run every variant against `reference`, and check the VJP by finite differences. */
export interface OpCase<A extends Attrs = Attrs> {
  readonly name?: string;
  readonly inputs: readonly CaseInput[];
  readonly attrs: A;
  /** Inputs whose gradient is checked; default all f32/f16 inputs when the op has a VJP. */
  readonly grad?: readonly number[];
  /** NMSE bound if it must differ from the default (1e-7 f32, 1e-6 with f16); say why beside it. */
  readonly nmse?: number;
}
