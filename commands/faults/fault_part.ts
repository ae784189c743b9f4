/** A part of `npm run test:faults`: one kind of fault that is injected, and what became of each. */

/** One kind of fault. Every part prints rows of this form, so that one table holds them all. */
export interface FaultRow {
  readonly part: string;
  /** The fault that was injected, such as "safetensors, changed bytes". */
  readonly fault: string;
  readonly injected: number;
  /** Faults after which everything promised held: the right answer, the same bytes, one clear sentence. */
  readonly survived: number;
  /** Faults after which something promised did not hold. 0 is right. */
  readonly lost: number;
  /** Further figures; or the first fault that was lost, and how to repeat it. */
  readonly found: string;
  /** Figures by name for the summary, which adds those of one name. */
  readonly figures?: Readonly<Record<string, number>>;
}

export interface FaultOptions {
  /** The seed of everything random, so that a run can be repeated. */
  readonly seed: number;
  /** Inputs or repetitions, where the caller chose them; undefined leaves a part its own short number. */
  readonly count: number | undefined;
  /** Inject a fault at every place, where a part would otherwise take some of them. */
  readonly all: boolean;
  /** Called with a sentence for the terminal now and then. */
  readonly say: (sentence: string) => void;
}

export interface FaultPart {
  readonly name: string;
  readonly description: string;
  run(options: FaultOptions): Promise<FaultRow[]>;
}
