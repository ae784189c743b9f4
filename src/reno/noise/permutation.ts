/** Random orders that a seed decides: the same on every machine. */
import { at } from '../../tensor/types.ts';
import { type Counter, type Key, philox4x32 } from './philox.ts';

/** Noise has 0 here, so that the numbers of an order are not those of the noise. */
const ORDERS = 1;
const WORD = 0x100000000;
const words = (n: number): Key => [n % WORD, Math.floor(n / WORD)];

/**
 * Returns 0 … count − 1 in an order in which each is as likely as any other (Fisher and Yates; the bias of 32-bit numbers is below count/2³²).
 * @param seed @param stream whole numbers from 0 to 2^53 − 1
 */
export function permutation(count: number, seed: number, stream: number): Int32Array<ArrayBuffer> {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  const key = words(seed);
  const [s0, s1] = words(stream);
  let four: Counter = [0, 0, 0, 0];
  for (let i = count - 1, used = 0; i > 0; i--, used++) {
    if (used % 4 === 0) {
      four = philox4x32([used / 4, ORDERS, s0, s1], key);
    }
    const other = Math.floor((at(four, used % 4) / WORD) * (i + 1));
    const value = at(order, i);
    order[i] = at(order, other);
    order[other] = value;
  }
  return order;
}
