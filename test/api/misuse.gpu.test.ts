/** What goes wrong in a user's hands: each a sentence that says what, where, and what to do. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  add,
  compile,
  type Device,
  evaluate,
  Graph,
  gradients,
  linear,
  matmul,
  mean,
  mul,
  openDevice,
  type Plan,
  square,
  sub,
  sum,
  type Tensor,
} from '../../src/index.ts';
import { testDevice } from '../support/test_device.ts';

let device: Device;
let plan: Plan;
const graph = new Graph();
const x = graph.input('pixels', [4, 3]);
const w = graph.state('weight', [2, 3]);
const fixed = graph.input('fixed', [3], 'load');
const unread = graph.input('unread', [5]);
const loss = mean(square(linear(mul(x, square(fixed)), w)));

/** The plan anew, with everything written but what `but` names. */
async function fresh(...but: string[]): Promise<Plan> {
  const made = await compile(device, {
    outputs: { loss },
    updates: [w.becomes(sub(w, mul(gradients(loss, [w])[0], 0.1)))],
  });
  const all = { pixels: new Float32Array(12), weight: new Float32Array(6), fixed: new Float32Array(3) };
  made.write(Object.fromEntries(Object.entries(all).filter(([name]) => !but.includes(name))));
  return made;
}

const opened: Plan[] = [];
const keep = async (made: Promise<Plan>): Promise<Plan> => {
  const one = await made;
  opened.push(one);
  return one;
};

beforeAll(async () => {
  device = await testDevice();
  plan = await keep(fresh());
  await plan.step();
});

afterAll(() => {
  for (const one of opened) {
    one.destroy();
  }
  device.destroy();
});

interface Misuse {
  readonly what: string;
  readonly act: () => unknown;
  readonly sentence: string;
}

const other = new Graph();
const stranger = other.input('stranger', [3]);
const notATensor = undefined as unknown as Tensor;

const MISUSES: readonly Misuse[] = [
  {
    what: 'a name that is misspelt in write',
    act: () => plan.write('pixel', new Float32Array(12)),
    sentence: 'the plan has no input named pixel: did you mean pixels?',
  },
  {
    what: 'a name that nothing resembles in write',
    act: () => plan.write({ temperature: [1] }),
    sentence: 'the plan has no input named temperature: there is pixels, weight, fixed, unread',
  },
  {
    what: 'a name that is misspelt in read',
    act: () => plan.read('los'),
    sentence: 'the plan has no output or input named los: did you mean loss?',
  },
  {
    what: 'a read of an input that nothing reads',
    act: () => plan.read('unread'),
    sentence: 'the plan has no output or input named unread: nothing reads this input',
  },
  {
    what: 'too few values',
    act: () => plan.write('pixels', [1, 2, 3]),
    sentence: 'pixels is f32[4,3] (12 elements) but was given 3',
  },
  {
    what: 'too few values for an input that nothing reads',
    act: () => plan.write('unread', [1]),
    sentence: 'unread is f32[5] (5 elements) but was given 1',
  },
  {
    what: 'no array',
    act: () => plan.write('pixels', null as unknown as number[]),
    sentence: 'pixels must be given an array of numbers or a Uint8Array, not null',
  },
  {
    what: 'a read before any run',
    act: async () => (await keep(fresh())).read('loss'),
    sentence: 'loss is not computed yet, because the step stage has not run: call plan.step() first',
  },
  {
    what: 'a read of an input that was never written',
    act: async () => (await keep(fresh('pixels'))).read('pixels'),
    sentence: "pixels holds nothing yet: fill it with plan.write('pixels', …) before it is read",
  },
  {
    what: 'a run with an input that was never written',
    act: async () => (await keep(fresh('pixels'))).step(),
    sentence: "pixels: this input was never written; fill it with plan.write('pixels', …) before the step stage runs",
  },
  {
    what: 'a run with a state that was never written',
    act: async () => (await keep(fresh('weight'))).step(),
    sentence: "weight: this state has no first value; fill it with plan.write('weight', …) before the step stage runs",
  },
  {
    what: 'a step without the stage before it',
    act: async () => (await keep(fresh())).run('step'),
    sentence:
      "the step stage needs the load stage first (it has not run): call plan.step(), which runs every stale stage, or plan.run('load')",
  },
  {
    what: 'a write of a weight whose memory was given back',
    act: () => plan.write('fixed', [1, 2, 3]),
    sentence:
      'fixed is gone: the load stage ran already, and nothing else reads it, so its memory was given back (compile with keepLoadInputs: true to keep it)',
  },
  {
    what: 'a load without the weights that were given back',
    act: () => plan.run('load'),
    sentence:
      'the load stage cannot run again: the memory of fixed was given back after it ran (compile with keepLoadInputs: true to keep it)',
  },
  ...(['write', 'read', 'step'] as const).map((verb) => ({
    what: `a ${verb} of a plan that was destroyed`,
    act: async () => {
      const gone = await fresh();
      gone.destroy();
      return verb === 'write' ? gone.write('pixels', []) : verb === 'read' ? gone.read('loss') : gone.step();
    },
    sentence: `this plan was destroyed and cannot be ${{ write: 'written to', read: 'read', step: 'run' }[verb]}: compile it again`,
  })),
  {
    what: 'a device that was destroyed',
    act: async () => {
      const gone = await testDevice();
      gone.destroy();
      return compile(gone, { outputs: { loss } });
    },
    sentence: 'the GPU device was destroyed and cannot be used any more: open another one',
  },
  {
    what: 'a GPU without an adapter',
    act: () => openDevice({ gpu: { requestAdapter: async () => null } as unknown as GPU }),
    sentence: 'no WebGPU adapter was found; run `reno doctor` to see what to install',
  },
  {
    what: 'operands of two graphs',
    act: () => add(fixed, stranger),
    sentence:
      'add was given tensors of two graphs (graph input fixed, graph input stranger): declare its operands in one graph',
  },
  {
    what: 'outputs of two graphs',
    act: () => compile(device, { outputs: { loss, stranger } }),
    sentence: 'output stranger belongs to another graph than output loss: a plan computes one graph',
  },
  {
    what: 'an output that is no tensor',
    act: () => compile(device, { outputs: { loss: notATensor } }),
    sentence: 'output loss is no tensor: give what an op, graph.input or graph.state returned',
  },
  {
    what: 'nothing to compute',
    act: () => compile(device, { outputs: {} }),
    sentence: 'there is nothing to compute: give at least one output or update',
  },
  {
    what: 'an update of something that is no state',
    act: () => compile(device, { outputs: { loss }, updates: [{ state: loss, value: loss }] }),
    sentence: 'mean f32[] cannot be updated because it is no state: declare what a step changes with graph.state',
  },
  {
    what: 'an update of a weight that is fixed',
    act: () => compile(device, { outputs: { loss }, updates: [{ state: fixed, value: fixed }] }),
    sentence:
      'graph input fixed cannot be updated because it belongs to the load stage: declare what a step changes with graph.state',
  },
  {
    what: 'a state that becomes something of another shape',
    act: () => w.becomes(sum(w, [0])),
    sentence: 'graph input weight is f32[2,3] and cannot become f32[3]: give a value of its type',
  },
  {
    what: 'two updates of a state',
    act: () => compile(device, { outputs: { loss }, updates: [w.becomes(w), w.becomes(mul(w, 2))] }),
    sentence: 'graph input weight is updated twice: a step can give it one new value',
  },
  {
    what: 'a gradient with respect to what the loss does not read',
    act: () => gradients(loss, [unread]),
    sentence:
      'mean f32[] has no gradient with respect to graph input unread, because the first does not depend on the second: leave it out, or use it in the loss',
  },
  {
    what: 'a gradient of many values',
    act: () => gradients(square(x), [x]),
    sentence:
      'gradients needs a loss of one value, but square f32[4,3] has shape [4,3]: reduce it with mean or sum first',
  },
  {
    what: 'an op on shapes that do not fit',
    act: () => sub(x, w),
    sentence: 'sub(f32[4,3], f32[2,3]): shapes [4,3] and [2,3] do not broadcast',
  },
  {
    what: 'a product of matrices that do not fit',
    act: () => graph.scope('head', () => matmul(x, w)),
    sentence: 'matmul(f32[4,3], f32[2,3]) in head: a has 3 columns, b 2 rows',
  },
  {
    what: 'an input that is declared twice',
    act: () => graph.input('pixels', [1]),
    sentence: 'graph input pixels is declared twice: give each input a name of its own',
  },
  {
    what: 'a size that is no size',
    act: () => graph.state('empty', [0, 3]),
    sentence: 'graph input empty has shape [0,3], but sizes must be positive whole numbers',
  },
  {
    what: 'an evaluation without a value',
    act: () => evaluate(device, { loss }, { pixels: new Float32Array(12), fixed: [1, 1, 1] }),
    sentence: "weight: this input was never written; fill it with plan.write('weight', …) before the step stage runs",
  },
];

/** The message of what `act` throws, at once or later. */
async function messageOf(act: () => unknown): Promise<string> {
  try {
    await act();
  } catch (error) {
    return error instanceof Error ? error.message : `not an Error: ${error}`;
  }
  return 'nothing was thrown';
}

describe('misuse is answered by one sentence', () => {
  it.each(MISUSES)('$what', async ({ act, sentence }) => {
    const message = await messageOf(act);
    expect(message).toBe(sentence);
    expect(message).not.toMatch(/\n|\. [A-Z]|undefined|NaN|\[object/);
  });

  it('and leaves the plan as it was', async () => {
    await plan.step();
    expect([...(await plan.read('loss'))]).toEqual([0]);
  });
});
