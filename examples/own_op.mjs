/** An op of one's own: cube, y = x³, with its gradient and its tests.   node own_op.mjs */
import { checkOp, defineOp, evaluate, Graph, gradients, mul, openDevice, sizeOf, square, sum } from 'reno-webgpu';

// The engine writes the header of the WGSL: params.size, load_x and store_y, whatever type the tensors have.
const code = `
  @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
    if (id.x < params.size) { let v = load_x(id.x); store_y(id.x, v * v * v); }
  }`;

const cube = defineOp({
  name: 'cube',
  infer: ([x]) => [x], // the output has the type of the input
  vjp: ({ inputs: [x], dy }) => [() => mul(dy, mul(3, square(x)))], // for each input a function that gives its gradient
  reference: ([x]) => [x.data.map((v) => v ** 3)], // what the kernels must give, in f64 on the CPU
  variants: [{ name: 'naive', dispatches: ({ inputs: [x] }) => [dispatch(sizeOf(x.shape))] }], // the best kernel first
  cost: ({ inputs: [x] }) => ({ flops: 2 * sizeOf(x.shape), bytes: 8 * sizeOf(x.shape) }),
  cases: [{ inputs: [{ shape: [3, 50] }], attrs: {} }], // what it is tested with
});

/** One run of the kernel. @param {number} size @returns {import('reno-webgpu').Dispatch} */
function dispatch(size) {
  const x = /** @type {const} */ ({ name: 'x', ref: { input: 0 }, access: 'read' });
  const y = /** @type {const} */ ({ name: 'y', ref: { output: 0 }, access: 'write' });
  return { label: 'cube', code, params: { size }, bindings: [x, y], workgroups: [Math.ceil(size / 64), 1, 1] };
}

// The tests follow from the definition: the kernels against the reference, the gradient against differences.
const device = await openDevice();
for (const { name, errors } of await checkOp(device, cube)) {
  console.log(`${name}: error ${errors.join()}`);
}

const x = new Graph().input('x', [3]);
const y = cube.one([x], {});
const [dx] = gradients(sum(y), [x]);
console.log(await evaluate(device, { y, dx }, { x: [-1, 0, 3] }));
