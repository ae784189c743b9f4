/** Finds the tensors of an unpickled checkpoint, by name. */
import { isMap, type PickleMap, PickleOddTensor, PickleTensor, type PickleValue } from './values.ts';

/** Keys under which training scripts save the state dict beside optimiser and epoch, such as HPSv2's `state_dict`. */
const ROOTS = ['state_dict', 'model_state_dict', 'model'];

/** Limits beyond any checkpoint: a malicious pickle can hold a dictionary many times, or inside itself. */
const MAX_DEPTH = 16;
const MAX_ENTRIES = 1_000_000;

/**
 * Returns the tensors by PyTorch's names. Keys of nested dictionaries are joined by dots. Values that are no tensors are left
 * out. @throws Error with what is wrong, as the end of a sentence about the file
 */
export function tensorsOf(root: PickleValue): Map<string, PickleTensor | PickleOddTensor> {
  if (!isMap(root)) {
    throw new Error('holds no state dict but something else; save model.state_dict()');
  }
  const tensors = new Map<string, PickleTensor | PickleOddTensor>();
  let visited = 0;
  const walk = (map: PickleMap, prefix: string, depth: number): void => {
    for (const [key, value] of map) {
      visited += 1;
      if (depth > MAX_DEPTH || visited > MAX_ENTRIES) {
        throw new Error('has dictionaries nested without end');
      }
      const name = prefix + String(key);
      if (isTensor(value)) {
        tensors.set(name, value);
      } else if (isMap(value)) {
        walk(value, `${name}.`, depth + 1);
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
