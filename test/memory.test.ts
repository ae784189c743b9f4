import fc from 'fast-check';
import { expect, it } from 'vitest';
import { assignSlots } from '../src/tensor/memory.ts';
import { at } from '../src/tensor/types.ts';

const intervals = fc.array(
  fc
    .record({ bytes: fc.integer({ min: 4, max: 4096 }), from: fc.nat(40), length: fc.nat(10) })
    .map(({ bytes, from, length }) => ({ bytes, from, to: from + length })),
  { maxLength: 60 },
);

it('gives no slot to two values that live at the same time', () => {
  fc.assert(
    fc.property(intervals, (list) => {
      const { slotOf } = assignSlots(list);
      list.forEach((a, i) => {
        list.slice(0, i).forEach((b, j) => {
          const together = a.from <= b.to && b.from <= a.to;
          expect(together && slotOf[i] === slotOf[j]).toBe(false);
        });
      });
    }),
  );
});

it('makes every slot as large as its largest value, and no larger', () => {
  fc.assert(
    fc.property(intervals, (list) => {
      const { slotOf, bytes } = assignSlots(list);
      bytes.forEach((size, slot) => {
        const largest = Math.max(...list.filter((_, i) => slotOf[i] === slot).map((v) => v.bytes));
        expect(size).toBe(largest);
      });
    }),
  );
});

it('shares one slot between values that follow each other', () => {
  const chain = Array.from({ length: 10 }, (_, i) => ({ bytes: 64, from: 2 * i, to: 2 * i + 1 }));
  const { bytes, slotOf } = assignSlots(chain);
  expect(bytes).toEqual([64]);
  expect(at(slotOf, 9)).toBe(0);
});
