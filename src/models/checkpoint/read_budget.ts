/** Bounds on what a file may make its reader do: every reader of checkpoints and configs counts against one of these. */

/** The most that a file's description may hold, and the longest that reading it may take. */
export interface ReadBudget {
  /** Bytes of a description (a header, a pickle, a zip directory, a config) that are read into memory. */
  readonly bytes: number;
  /** Values that the description holds: numbers, strings, containers, each use of a stored value. */
  readonly objects: number;
  /** Levels of containers in containers. */
  readonly depth: number;
  /** Dimensions of a tensor. */
  readonly rank: number;
  /** Characters of a name: of a tensor, an archive's member, a key. */
  readonly nameLength: number;
  /** Milliseconds that reading the description may take. */
  readonly milliseconds: number;
}

/**
 * For configs and indexes; far above every published one. FLUX has 780 tensors of rank 4 at most, whose names have up to 70
 * characters. The counts bound the work; the clock allows for a busy machine.
 */
export const DEFAULT_BUDGET: ReadBudget = {
  bytes: 10_000_000,
  objects: 500_000,
  depth: 64,
  rank: 64,
  nameLength: 4096,
  milliseconds: 30_000,
};

/**
 * For tokenizers, whose tokens become entries of maps and trees: published ones have up to 2.4 MB and 200,000 values. What this allows
 * needs less than 200 MiB of memory and, on a machine that is not busy, less than 2 s, until the first prompt is tokenized.
 */
export const TOKENIZER_BUDGET: ReadBudget = { ...DEFAULT_BUDGET, bytes: 4_000_000, objects: 300_000 };

/**
 * For checkpoints: SDXL's description, of 2,500 tensors, is a pickle of 300 kB with 100,000 values. What this allows needs less than 200 MiB of memory and, on a machine that is not busy, less than 2 s.
 */
export const CHECKPOINT_BUDGET: ReadBudget = {
  ...DEFAULT_BUDGET,
  objects: 1_000_000,
  milliseconds: 2000,
};

/** Counts what one file has used of its budget. Each error is the end of a sentence about the file. */
export class ReadMeter {
  readonly budget: ReadBudget;
  #objects = 0;
  #text = 0;
  #untilClock = 0;
  readonly #deadline: number;

  constructor(budget: ReadBudget = DEFAULT_BUDGET) {
    this.budget = budget;
    this.#deadline = performance.now() + budget.milliseconds;
  }

  /** Counts `count` values, and looks at the clock now and then. @throws Error when they are too many or it is too late */
  objects(count: number): void {
    this.#objects += count;
    if (this.#objects > this.budget.objects) {
      throw new Error(`has more than ${this.budget.objects} values in its description, which is more than is read`);
    }
    this.#untilClock -= count;
    if (this.#untilClock < 0) {
      this.#untilClock = 1024;
      if (performance.now() > this.#deadline) {
        throw new Error(
          `took more than ${this.budget.milliseconds} ms to be described, which is longer than is waited`,
        );
      }
    }
  }

  /** @throws Error when `what` has more bytes than are read into memory */
  bytes(count: number, what: string): void {
    if (count > this.budget.bytes) {
      throw new Error(`has ${count} bytes in ${what}, and at most ${this.budget.bytes} are read`);
    }
  }

  /** Counts characters of names that are put together from others. @throws Error when they are too many */
  text(characters: number): void {
    this.#text += characters;
    this.bytes(this.#text, 'the names of its tensors');
  }

  /** @throws Error when containers stand too deep in containers */
  depth(levels: number): void {
    if (levels > this.budget.depth) {
      throw new Error(`is nested deeper than ${this.budget.depth} levels`);
    }
  }

  /** @throws Error when a tensor has too many dimensions */
  rank(dimensions: number): void {
    if (dimensions > this.budget.rank) {
      throw new Error(`has a tensor of ${dimensions} dimensions, and at most ${this.budget.rank} are read`);
    }
  }

  /** @throws Error when a name is too long */
  name(length: number): void {
    if (length > this.budget.nameLength) {
      throw new Error(`has a name of ${length} characters, and at most ${this.budget.nameLength} are read`);
    }
  }
}
