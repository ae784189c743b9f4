/**
 * A ReNO that outlives its device. When the GPU fails, another device is opened and the run goes on from its last state, to the
 * same bytes; when memory runs out, the networks are opened again in less; when f16 overflows, they are opened again as f32.
 */
import type { Device } from '../tensor/device.ts';
import { GpuError } from '../tensor/gpu_error.ts';
import { NotFiniteError } from './loop.ts';
import type { RunState } from './run_state.ts';
import type { Generated, GenerateOptions, Reno } from './session.ts';
import type { RenoSettings } from './settings.ts';

/** A device, and the networks that were opened on it. */
interface OpenedReno {
  readonly device: Device;
  readonly reno: Reno;
}

/** Settings that need less memory, or more exact storage, than those that were asked for. */
export type ChangedSettings = Pick<Partial<RenoSettings>, 'budget' | 'weightBits' | 'dtype'>;

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

/** The attempts after memory runs out: a share of the bytes that were needed, and 8-bit weights. */
const LADDER: readonly { readonly share: number; readonly weightBits?: 8 }[] = [
  { share: 0.75 },
  { share: 0.5 },
  { share: 0.35 },
  { share: 0.5, weightBits: 8 },
  { share: 0.25, weightBits: 8 },
];

/** Opens and reopens a `Reno`. `openSteadyReno` makes one. */
export class SteadyReno implements Disposable {
  readonly #options: SteadyOptions;
  #opened: OpenedReno | null = null;
  #changes: ChangedSettings = {};
  /** Bytes that did not fit at first. */
  #needed: number | null = null;
  #rung = 0;
  #failures = 0;

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
    while (!this.#opened) {
      let device: Device | null = null;
      try {
        device = await this.#options.openDevice();
        this.#opened = { device, reno: await this.#options.openReno(device, this.#changes) };
      } catch (error) {
        device?.destroy();
        this.#decide(error, 'the networks are opened again');
      }
    }
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
    for (;;) {
      await this.open();
      try {
        const made = await this.reno.generate({ ...options, ...(resume ? { resume } : {}), onState });
        if (made.trajectory.stoppedBy !== 'not-finite' || !this.#widen(made.trajectory.stopped ?? '', goesOn())) {
          this.#failures = 0;
          return made;
        }
      } catch (error) {
        if (!(error instanceof NotFiniteError && this.#widen(error.message, goesOn()))) {
          this.#decide(error, goesOn());
        }
      }
      this.#close();
    }
  }

  /** Chooses f32 where f16 overflowed. @returns false where activations are f32 already */
  #widen(what: string, goesOn: string): boolean {
    if ((this.#changes.dtype ?? this.reno.settings.dtype) === 'f32') {
      return false;
    }
    this.#changes = { ...this.#changes, dtype: 'f32' };
    this.#options.say?.(`${what.split(';')[0]}: activations are stored as f32 from here on, not f16; ${goesOn}`);
    return true;
  }

  /** Decides what to change before the next try. @throws the error when nothing can be done */
  #decide(error: unknown, goesOn: string): void {
    if (error instanceof GpuError && error.kind === 'out-of-memory') {
      this.#needed ??= error.bytes ?? this.#opened?.reno.plan.summary.memory.peak ?? null;
      this.#stepDown(error, goesOn);
    } else if (error instanceof GpuError && error.kind !== 'destroyed' && this.#failures < MOST_DEVICES) {
      this.#failures += 1;
      const count = `${this.#failures} of at most ${MOST_DEVICES} times`;
      this.#options.say?.(
        `${error.message.split('; start again')[0]}: another device is opened (${count}), and ${goesOn}`,
      );
    } else if (this.#rung > 0 && !this.#opened && !(error instanceof GpuError)) {
      this.#stepDown(error, goesOn); // The planner found no plan within this budget.
    } else {
      throw error;
    }
  }

  #stepDown(error: unknown, goesOn: string): void {
    const next = LADDER[this.#rung];
    if (!next || this.#needed === null) {
      throw error;
    }
    this.#rung += 1;
    const budget = Math.floor(this.#needed * next.share);
    this.#changes = { ...this.#changes, budget, ...(next.weightBits ? { weightBits: next.weightBits } : {}) };
    const how = next.weightBits ? ', and large weights are kept in 8 bits' : '';
    this.#options.say?.(
      `the GPU has too little memory: the networks are opened again within ${Math.ceil(budget / 2 ** 20)} MiB, where activations are computed again and weights brought in as needed${how}; ${goesOn}`,
    );
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

/**
 * Opens device and networks so that a run outlives a device: see `SteadyReno.generate`.
 * @throws Error as `Reno.open`, or the GPU's failure when it fails again and again
 */
export async function openSteadyReno(options: SteadyOptions): Promise<SteadyReno> {
  const steady = new SteadyReno(options);
  await steady.open();
  return steady;
}
