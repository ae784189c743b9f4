/**
 * ReNO: a generator, rewards, and the optimisation of the noise. It is the same in Node and in browsers.
 * @module reno-webgpu/reno
 */
export type { LeverMove, Levers } from './reno/loop/levers.ts';
export type { Frame, Trajectory } from './reno/loop/loop.ts';
export {
  decodeRunState,
  encodeRunState,
  type LoopState,
  type RunState,
  type StateTensor,
} from './reno/loop/run_state.ts';
export { openRenoFrom, type RenoOptions } from './reno/open_reno.ts';
export type {
  AdapterRecord,
  History,
  IterationRecord,
  NoiseRecord,
  Origin,
  RewardInfo,
  RunConfig,
  TransferRecord,
} from './reno/report/history.ts';
export type { ImageSize, Picture } from './reno/report/picture.ts';
export { type ReportImages, renderReport } from './reno/report/report.ts';
export { REWARD_NAMES, type RewardName, type RewardWeights } from './reno/rewards/index.ts';
export { Scorer, type ScorerOptions } from './reno/rewards/scorer.ts';
export type { MultiStart } from './reno/search/multi_start_size.ts';
export { type Generated, type GenerateOptions, type Planning, Reno } from './reno/session.ts';
export { type Mode, REFERENCE_SETTINGS, type RenoSettings, readSettings } from './reno/settings/settings.ts';
export {
  type ChangedSettings,
  openSteadyReno,
  type SteadyOptions,
  SteadyReno,
} from './reno/steady_reno.ts';
export type { KernelRecord } from './tensor/tuning/choose.ts';
