/**
 * A ReNO that outlives its device. When the GPU fails, another device is opened and the run goes on from its last state, to the
 * same bytes; when memory runs out, the networks are opened again in less; when f16 overflows, the module where it does is stored as f32.
 */
import type { Device } from '../tensor/device/device.ts';
import { GpuError } from '../tensor/device/gpu_error.ts';
import { BudgetError } from '../tensor/schedule/budget.ts';
import { NotFiniteError } from './loop/loop.ts';
import { withModule } from './loop/overflow.ts';
import type { RunState } from './loop/run_state.ts';
import { MemoryLadder } from './memory_ladder.ts';
import type { Generated, GenerateOptions, Reno } from './session.ts';
import type { RenoSettings } from './settings/settings.ts';

/** A device, and the networks that were opened on it. */
interface OpenedReno {
  readonly device: Device;
  readonly reno: Reno;
}

/** Settings that need less memory, or more exact storage, than those that were asked for. */
export interface ChangedSettings {
  readonly dtype?: RenoSettings['dtype'];
  readonly budget?: RenoSettings['budget'] | undefined;
  readonly weightBits?: RenoSettings['weightBits'] | undefined;
  readonly f32Modules?: RenoSettings['f32Modules'] | undefined;
}

/** How to open networks again and again. */
export interface SteadyOptions {
  /** Opens a device. */
  readonly openDevice: () => Promise<Device>;
  /** Opens the networks on it, with some of the settings changed. */
  readonly openReno: (device: Device, changes: ChangedSettings) => Promise<Reno>;
  /** Called with a sentence when something failed and the run goes on. */
  readonly say?: (sentence: string) => void;
}

/** How often a failed device is replaced in one run, and how often in one process without a run's end between. */
const MOST_DEVICES = 3;

/** How many modules one run raises to f32 one after another, before all are. */
const MOST_RAISED = 4;

/** Opens and reopens a `Reno`. `openSteadyReno` makes one. */
export class SteadyReno implements Disposable {
  readonly #options: SteadyOptions;
  #opened: OpenedReno | null = null;
  #changes: ChangedSettings = {};
  readonly #ladder = new MemoryLadder();
  /** The failure for which the ladder is gone down. */
  #shortage: GpuError | null = null;
  /** Said when the networks are open again: not every step of the ladder has a plan. */
  #sentence: string | null = null;
  #failures = 0;
  /** The number of modules that this run has raised to f32. */
  #raised = 0;

  /** @internal */
  constructor(options: SteadyOptions) {
    this.#options = options;
  }

  /** The device that is open now. */
  get device(): Device {
    return this.#current().device;
  }

  /** The networks as they are open now. */
  get reno(): Reno {
    return this.#current().reno;
  }

  #current(): OpenedReno {
    if (!this.#opened) {
      throw new Error('this Reno is closed: open it again');
    }
    return this.#opened;
  }

  /** Opens device and networks. @throws Error as `Reno.open`, or the GPU's failure when it fails again and again */
  async open(): Promise<void> {
    let device = null as Device | null;
    try {
      while (!this.#opened) {
        try {
          device ??= await this.#options.openDevice();
          this.#opened = { device, reno: await this.#options.openReno(device, this.#changes) };
        } catch (error) {
          if (error instanceof GpuError) {
            device?.destroy();
            device = null;
          }
          this.#decide(error, 'the networks are opened again');
        }
      }
    } catch (error) {
      device?.destroy();
      throw error;
    }
    if (this.#sentence !== null) {
      this.#options.say?.(this.#sentence);
      this.#ladder.opened();
    }
    this.#sentence = null;
    this.#shortage = null;
  }

  /**
   * As `Reno.generate`, on another device where one fails.
   * @throws Error as `Reno.generate`, when the GPU fails too often or there is no setting that needs less memory
   */
  async generate(options: GenerateOptions): Promise<Generated> {
    let resume: RunState | undefined = options.resume;
    const onState = async (state: RunState): Promise<void> => {
      resume = state;
      await options.onState?.(state);
    };
    const goesOn = (): string =>
      resume ? `the run goes on from iteration ${resume.iteration}` : 'the run begins again';
    await this.#storeAs(resume);
    for (;;) {
      await this.open();
      try {
        const { resume: _, ...rest } = options;
        const made = await this.#finite(
          this.reno.generate({ ...rest, ...(resume ? { resume } : {}), onState }),
          options,
        );
        if (made) {
          this.#failures = 0;
          return made;
        }
        resume = undefined; // Other storage gives other bytes, so the whole run has to have it.
      } catch (error) {
        this.#decide(error, goesOn());
      }
      this.#close();
    }
  }

  /**
   * Opens the networks with the activations stored as in the run that a state comes from, and without a state as was asked for: what
   * an earlier run raised to f32 would give other bytes than the same run alone.
   */
  async #storeAs(state: RunState | undefined): Promise<void> {
    await this.open();
    this.#raised = 0;
    const { dtype: _, f32Modules: __, ...others } = this.#changes;
    const isAsked = !('dtype' in this.#changes || 'f32Modules' in this.#changes);
    if (state ? storageOf(state.config) !== storageOf(this.reno.settings) : !isAsked) {
      const { dtype, f32Modules } = state?.config ?? {};
      this.#changes = dtype ? { ...others, dtype, f32Modules } : others;
      this.#close();
      await this.open();
    }
  }

  /** Returns what was made, or null where f16 overflowed and more is stored as f32 now. @throws the failure of the run */
  async #finite(made: Promise<Generated>, options: GenerateOptions): Promise<Generated | null> {
    const [done, failure] = await made.then(
      (generated): [Generated, null] => [generated, null],
      (error: unknown): [null, unknown] => [null, error],
    );
    const { stoppedBy, stopped } = done?.trajectory ?? {};
    const problem = failure instanceof NotFiniteError ? failure.message : stoppedBy === 'not-finite' ? stopped : null;
    if (problem && (await this.#widen(problem, options))) {
      return null;
    }
    if (!done) {
      throw failure;
    }
    return done;
  }

  /** Raises the module where f16 overflowed to f32, or all. @returns false where activations are f32 already @throws GpuError */
  async #widen(problem: string, options: GenerateOptions): Promise<boolean> {
    const { dtype, f32Modules = [] } = this.reno.settings;
    if (dtype === 'f32') {
      return false;
    }
    const what = problem.split(';')[0];
    const found = this.#raised < MOST_RAISED ? await this.reno.findOverflow(options) : null;
    if (!found || withModule(f32Modules, found.module).join() === f32Modules.join()) {
      this.#changes = { ...this.#changes, dtype: 'f32', f32Modules: undefined };
      this.#options.say?.(`${what}: all activations are stored as f32, not f16; the run begins again`);
      return true;
    }
    this.#raised += 1;
    const modules = withModule(f32Modules, found.module);
    this.#changes = { ...this.#changes, f32Modules: modules };
    this.#options.say?.(
      `${what}, because f16 overflowed in ${found.where}: the run begins again with --f32-modules ${modules.join(',')}`,
    );
    return true;
  }

  /** Decides what to change before the next try. @throws the error when nothing can be done */
  #decide(error: unknown, goesOn: string): void {
    if (error instanceof GpuError && error.kind === 'out-of-memory') {
      this.#shortage = error;
      this.#ladder.ranOut(error.bytes ?? this.#opened?.reno.plan.summary.memory.peak ?? null);
      this.#stepDown(error, goesOn);
    } else if (error instanceof GpuError && error.kind !== 'destroyed' && this.#failures < MOST_DEVICES) {
      this.#failures += 1;
      const count = `${this.#failures} of at most ${MOST_DEVICES} times`;
      this.#options.say?.(
        `${error.message.split('; start again')[0]}: another device is opened (${count}), and ${goesOn}`,
      );
    } else if (this.#shortage && !this.#opened && !(error instanceof GpuError)) {
      this.#ladder.refused(error instanceof BudgetError ? error.bytes : null);
      this.#stepDown(this.#shortage, goesOn);
    } else {
      throw error;
    }
  }

  /** @throws `shortage` where no attempt is left */
  #stepDown(shortage: GpuError, goesOn: string): void {
    const attempt = this.#ladder.next();
    if (!attempt) {
      throw shortage;
    }
    const { budget: _, weightBits: __, ...others } = this.#changes;
    this.#changes = { ...others, ...attempt.changes };
    this.#sentence = `${attempt.sentence}; ${goesOn}`;
  }

  #close(): void {
    this.#opened?.reno[Symbol.dispose]();
    this.#opened?.device.destroy();
    this.#opened = null;
  }

  /** Gives networks and device back. */
  [Symbol.dispose](): void {
    this.#close();
  }
}

/** The storage of activations, as a text that can be compared. */
export const storageOf = ({ dtype, f32Modules }: Pick<RenoSettings, 'dtype' | 'f32Modules'>): string =>
  JSON.stringify([dtype, f32Modules]);

/**
 * Opens device and networks so that a run outlives a device: see `SteadyReno.generate`.
 * @throws Error as `Reno.open`, or the GPU's failure when it fails again and again
 */
export async function openSteadyReno(options: SteadyOptions): Promise<SteadyReno> {
  const steady = new SteadyReno(options);
  await steady.open();
  return steady;
}
