/** The engine: graphs, gradients, plans and ops. It is the same in Node and in browsers. */
export * from './kernels/index.ts';
export { type AdapterSummary, Device, type DeviceOptions, requestDevice } from './tensor/device.ts';
export { DeviceMemory } from './tensor/device_memory.ts';
export { Graph, type Node } from './tensor/graph.ts';
export { type Feeds, interpret } from './tensor/interpreter.ts';
export {
  type Attrs,
  type AttrValue,
  type Binding,
  type BufferRef,
  type CaseInput,
  type Cost,
  type DeviceCaps,
  type Dispatch,
  defineOp,
  type HostArray,
  type Op,
  type OpCase,
  type OpDefinition,
  type OpSite,
  type Param,
  type Variant,
  type VjpSite,
} from './tensor/op.ts';
export { compile } from './tensor/plan/compile.ts';
export { Plan } from './tensor/plan/plan.ts';
export type { PlanSummary } from './tensor/plan/summary.ts';
export type { PlanSpec, Update } from './tensor/schedule/plan_spec.ts';
export { Tensor } from './tensor/tensor.ts';
export type { DType, Shape, Stage, TensorType } from './tensor/types.ts';
export { gradients } from './tensor/vjp.ts';
