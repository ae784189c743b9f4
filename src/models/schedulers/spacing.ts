/**
 * The timesteps of a run of n steps: Lin et al., "Common diffusion noise schedules and sample steps are flawed", table 2.
 * Source: `set_timesteps` in diffusers/schedulers/scheduling_ddpm.py: DDPMScheduler.
 */
import type { Config } from '../checkpoint/config.ts';
import type { StepsRequest } from './linear_step.ts';

type Spacing = 'leading' | 'linspace' | 'trailing';

export function timestepSpacing(config: Config, absent: Spacing): Spacing {
  return config.oneOf('timestep_spacing', ['leading', 'linspace', 'trailing'], absent);
}

/** @throws Error when `n` is no number of steps out of `train` training steps */
export function checkCount(config: Config, n: number, train: number): void {
  if (!Number.isInteger(n) || n < 1 || n > train) {
    throw new Error(`${n} steps are not possible: ${config.file} allows 1 to ${train}`);
  }
}

/**
 * Returns timesteps in falling order.
 * @param whole rounds the fractions of `linspace` to training steps
 * @throws Error for a count that is not possible, or timesteps that are not falling training steps
 */
export function spacedTimesteps(
  config: Config,
  request: StepsRequest,
  train: number,
  absent: Spacing,
  whole: boolean,
): readonly number[] {
  if (typeof request !== 'number') {
    return checkedTimesteps(config, request, train);
  }
  const n = request;
  checkCount(config, n, train);
  switch (timestepSpacing(config, absent)) {
    case 'linspace': {
      const step = (train - 1) / Math.max(1, n - 1);
      const rounded = whole ? roundHalfEven : Math.fround;
      return Array.from({ length: n }, (_, i) => rounded((n - 1 - i) * step));
    }
    case 'leading': {
      const ratio = Math.floor(train / n);
      const offset = config.whole('steps_offset', 0, [0, train]);
      return Array.from({ length: n }, (_, i) => (n - 1 - i) * ratio + offset);
    }
    case 'trailing': {
      return trailing(config, n, train);
    }
  }
}

/** Returns the timesteps of np.arange(train, 0, -train / n), rounded as NumPy does where its sums are not exact. */
function trailing(config: Config, n: number, train: number): readonly number[] {
  // NumPy takes the difference of the first two values as its step, and derives the length from the ratio.
  const step = train - train / n - train;
  if (Math.ceil(-train / -(train / n)) !== n) {
    const other = 'with which diffusers takes one step more, from a timestep before the first; take another number';
    throw new Error(`${n} steps are not possible with "trailing" timestep_spacing in ${config.file}, ${other}`);
  }
  return Array.from({ length: n }, (_, i) => roundHalfEven(train + i * step) - 1);
}

/** Returns `timesteps`. @throws Error when they are not training steps in falling order */
export function checkedTimesteps(config: Config, timesteps: readonly number[], train: number): readonly number[] {
  timesteps.forEach((t, i) => {
    if (!Number.isInteger(t) || t < 0 || t >= train) {
      throw new Error(`timestep ${t} is outside the schedule of ${config.file}: it must be 0 to ${train - 1}`);
    }
    if (i > 0 && t >= (timesteps[i - 1] ?? 0)) {
      throw new Error(`timesteps must fall, but ${timesteps[i - 1]} is followed by ${t}`);
    }
  });
  return timesteps;
}

/** Rounds halves to even, as NumPy does: 2.5 → 2, 3.5 → 4. */
function roundHalfEven(x: number): number {
  const down = Math.floor(x);
  return x - down === 0.5 ? 2 * Math.round(down / 2) : Math.round(x);
}
