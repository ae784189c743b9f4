/** The benchmark's own arithmetic: all engines must get the same numbers, and medians and figures must be right. */
import { expect, it } from 'vitest';
import { onnxModel } from '../../commands/bench/peers/onnx.ts';
import { seeded } from '../../commands/bench/row.ts';
import { figure, table } from '../../commands/common/table.ts';
import { median } from '../../src/tensor/tuning/median.ts';

it('seeds inputs as commands/bench/peers/torch_cpu.py does', () => {
  // From numpy.
  expect([...seeded('x', 3)]).toEqual([-0.6299755573272705, 0.8780214786529541, -0.3952755928039551]);
  expect([...seeded('conv_in.weight', 2)]).toEqual([-0.14895164966583252, -0.5274374485015869]);
});

it('takes medians and rounds figures', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(figure(1234.5)).toBe('1235');
  expect(figure(0.012345)).toBe('0.0123');
  expect(figure(undefined)).toBe('–');
  expect(table(['a', 'bb'], [['ccc', 'd']])).toEqual(['a    bb', 'ccc   d']);
});

it('writes ONNX in protobuf’s wire format', () => {
  const relu = { op: 'Relu', inputs: ['x'], outputs: ['y'] };
  const bytes = onnxModel({ nodes: [relu], initializers: {}, inputs: { x: [200] }, outputs: { y: [200] } });
  // ir_version (field 1, varint), then the graph (field 7, bytes) whose first field is the node.
  expect([...bytes.slice(0, 3)]).toEqual([8, 10, 58]);
  expect([...bytes.slice(4, 6)]).toEqual([10, 12]);
  expect(new TextDecoder().decode(bytes)).toContain('Relu');
  // A dimension of 200 takes two bytes.
  expect(bytes.join()).toContain([10, 3, 8, 200, 1].join());
});
