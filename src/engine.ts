/**
 * The engine: graphs, gradients, plans and ops. It is the same in Node and in browsers.
 * @module reno-webgpu/engine
 */

export type { AttentionOptions } from './kernels/attention/attention.ts';
export { checkOp, type OpCheck } from './kernels/check/check_op.ts';
export type { Activation } from './kernels/common/compositions.ts';
export type { Conv2dOptions } from './kernels/conv2d/conv2d.ts';
export type { Padding } from './kernels/conv2d/shapes.ts';
export * from './kernels/index.ts';
export type { MatmulOptions } from './kernels/matmul/matmul.ts';
export { type AdapterSummary, Device, type DeviceOptions, requestDevice } from './tensor/device/device.ts';
export type { DeviceCaps, SubgroupMatrix } from './tensor/device/device_caps.ts';
export { DeviceMemory } from './tensor/device/device_memory.ts';
export { GpuError, type GpuFailure } from './tensor/device/gpu_error.ts';
export type { Binding, BufferRef, Dispatch, MatrixWork, Param } from './tensor/dispatch.ts';
export { Graph, type Node } from './tensor/graph.ts';
export { type Feeds, interpret } from './tensor/interpreter.ts';
export {
  type Attrs,
  type AttrValue,
  type Cost,
  defineOp,
  type FusedPair,
  type HostArray,
  type NormedLayer,
  type NormGradientFusion,
  type Op,
  type OpDefinition,
  type OpSite,
  type Pointwise,
  type Variant,
  type VjpSite,
} from './tensor/op.ts';
export type { CaseInput, OpCase } from './tensor/op_case.ts';
export { compile } from './tensor/plan/compile.ts';
export { evaluate } from './tensor/plan/evaluate.ts';
export { Plan } from './tensor/plan/plan.ts';
export type { StageResults } from './tensor/plan/stage_part.ts';
export type { Pieces } from './tensor/plan/stream.ts';
export type { PlanSpec, Update } from './tensor/schedule/plan_spec.ts';
export type { LiveBytes, MemorySummary, PlanSummary } from './tensor/schedule/summary.ts';
export { State } from './tensor/state.ts';
export { Tensor } from './tensor/tensor.ts';
export { type DType, type Shape, type Stage, sizeOf, type TensorType } from './tensor/types.ts';
export { type Gradients, gradients, gradientsOrNone } from './tensor/vjp.ts';
