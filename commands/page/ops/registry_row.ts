/** The result of one op of the registry on a browser's adapter, as the page tells it to the command. */
export interface RegistryRow {
  readonly op: string;
  /** The op's cases; a shape change that only gives a buffer another shape has cases, but no kernel. */
  readonly cases: number;
  /** Comparisons that held: variants' values and gradients, each beside the f64 reference. */
  readonly ok: number;
  /** Comparisons that did not hold, and why, such as `naive #0 f32[3,5]: NMSE 2e-3, at most 1e-7 is right`. */
  readonly failed: readonly string[];
  /** Comparisons that the adapter does not take, by name. */
  readonly leftOut: readonly string[];
  /** The largest error as a share of its bound. */
  readonly worst: number;
  readonly seconds: number;
}

/** An adapter that the browser gives. */
export interface BrowserAdapter {
  readonly name: string;
  /** Whether the registry ran on it: a browser gives its default adapter to a page that wishes for none. */
  readonly used: boolean;
  readonly f16: boolean;
  /** Sizes of subgroups, such as [4, 4]; null where the adapter has no subgroups. */
  readonly subgroups: readonly [number, number] | null;
}
