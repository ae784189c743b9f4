/** Linear regression by gradient descent, on the GPU.   node regression.mjs */
import { compile, Graph, gradients, linear, mean, mul, openDevice, square, sub } from 'reno-webgpu';

// 64 points with 8 features each, and the values that the weights `truth` give them.
const truth = [3, -1, 4, 1, -5, 9, -2, 6];
const xs = Float32Array.from({ length: 64 * 8 }, () => Math.random() * 2 - 1);
const ys = Float32Array.from({ length: 64 }, (_, i) => truth.reduce((sum, w, j) => sum + w * xs[i * 8 + j], 0));

// The computation is described once: nothing runs yet.
const g = new Graph();
const x = g.input('x', [64, 8]);
const y = g.input('y', [64, 1]);
const w = g.state('w', [1, 8]);
const loss = mean(square(sub(linear(x, w), y)));
const [dw] = gradients(loss, [w]);

// It is compiled for this machine's GPU, and then run as often as wanted. A step ends with the new value of `w`.
const device = await openDevice();
const plan = await compile(device, { outputs: { loss }, updates: [w.becomes(sub(w, mul(dw, 0.3)))] });
plan.write({ x: xs, y: ys, w: new Float32Array(8) });
for (let i = 0; i <= 200; i++) {
  await plan.step();
  if (i % 50 === 0) {
    console.log(`step ${i}: loss ${(await plan.read('loss'))[0].toExponential(2)}`);
  }
}
console.log(
  'weights',
  Array.from(await plan.read('w'), (value) => Number(value.toFixed(3))),
);
plan.destroy();
