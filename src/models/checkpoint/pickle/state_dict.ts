/** The tensors of an unpickled checkpoint by their names. */
import { isMap, type PickleMap, PickleTensor, type PickleValue } from './values.ts';

/** Under which key training scripts keep the state dict beside optimiser and epoch, such as HPSv2's `state_dict`. */
const ROOTS = ['state_dict', 'model_state_dict', 'model'];

/** Deeper or larger than any checkpoint; a pickle may hold a dictionary twice, or inside itself. */
const MAX_DEPTH = 16;
const MAX_ENTRIES = 1_000_000;

/**
 * Names as PyTorch gives them; the names of dictionaries within dictionaries are joined by dots. What is no tensor is
 * left out. @throws Error with what is wrong, as the end of a sentence about the file
 */
export function tensorsOf(root: PickleValue): Map<string, PickleTensor> {
  if (!isMap(root)) {
    throw new Error('holds no state dict but something else; save model.state_dict()');
  }
  const tensors = new Map<string, PickleTensor>();
  let visited = 0;
  const walk = (map: PickleMap, prefix: string, depth: number): void => {
    for (const [key, value] of map) {
      visited += 1;
      if (depth > MAX_DEPTH || visited > MAX_ENTRIES) {
        throw new Error('has dictionaries nested without end');
      }
      const name = prefix + String(key);
      if (value instanceof PickleTensor) {
        tensors.set(name, value);
      } else if (isMap(value)) {
        walk(value, `${name}.`, depth + 1);
      }
    }
  };
  walk(stateDict(root), '', 0);
  if (tensors.size === 0) {
    throw new Error('holds no tensor');
  }
  return tensors;
}

function stateDict(root: PickleMap): PickleMap {
  const own = [...root.values()].some((value) => value instanceof PickleTensor);
  const inner = own ? undefined : ROOTS.map((key) => root.get(key)).find(isMap);
  return inner ?? root;
}
