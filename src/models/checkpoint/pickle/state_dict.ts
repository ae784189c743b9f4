/** Finds the tensors of an unpickled checkpoint, by name. */
import { printable } from '../messages.ts';
import type { ReadMeter } from '../read_budget.ts';
import { isMap, type PickleMap, PickleOddTensor, PickleTensor, type PickleValue } from './values.ts';

/** Keys under which training scripts save the state dict beside optimiser and epoch, such as HPSv2's `state_dict`. */
const ROOTS = ['state_dict', 'model_state_dict', 'model'];

/** Deeper than any checkpoint: a malicious pickle can hold a dictionary inside itself. */
const MAX_DEPTH = 16;

/**
 * Returns the tensors by PyTorch's names. Keys of nested dictionaries are joined by dots. Values that are no tensors are left
 * out. @throws Error with what is wrong, as the end of a sentence about the file
 */
export function tensorsOf(root: PickleValue, meter: ReadMeter): Map<string, PickleTensor | PickleOddTensor> {
  if (!isMap(root)) {
    throw new Error('holds no state dict but something else; save model.state_dict()');
  }
  const tensors = new Map<string, PickleTensor | PickleOddTensor>();
  const walk = (map: PickleMap, prefix: string, depth: number): void => {
    if (depth > MAX_DEPTH) {
      throw new Error('has dictionaries nested without end');
    }
    for (const [key, value] of map) {
      meter.objects(1);
      if (!isTensor(value) && !isMap(value)) {
        continue;
      }
      const name = prefix + (typeof key === 'string' ? key : key.toString());
      meter.name(name.length);
      meter.text(name.length);
      if (isMap(value)) {
        walk(value, `${name}.`, depth + 1);
      } else if (tensors.has(name)) {
        throw new Error(`has two tensors named ${printable(name)}`);
      } else {
        tensors.set(name, value);
      }
    }
  };
  walk(stateDict(root), '', 0);
  const all = [...tensors.values()];
  if (!all.some((tensor) => tensor instanceof PickleTensor)) {
    throw new Error(all[0] instanceof PickleOddTensor ? all[0].reason : 'holds no tensor');
  }
  return tensors;
}

function isTensor(value: PickleValue): value is PickleTensor | PickleOddTensor {
  return value instanceof PickleTensor || value instanceof PickleOddTensor;
}

function stateDict(root: PickleMap): PickleMap {
  const own = [...root.values()].some(isTensor);
  const inner = own ? undefined : ROOTS.map((key) => root.get(key)).find(isMap);
  return inner ?? root;
}
