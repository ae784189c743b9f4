import fc from 'fast-check';
import { expect, it } from 'vitest';
import { allocate, type Interval } from '../../../src/tensor/schedule/allocation.ts';
import { at } from '../../../src/tensor/types.ts';

const intervals = fc.array(
  fc
    .record({ bytes: fc.integer({ min: 4, max: 4096 }), from: fc.nat(800), length: fc.nat(200) })
    .map(({ bytes, from, length }) => ({ bytes, from, to: from + length })),
  { minLength: 1, maxLength: 60 },
);
const pairs = fc.array(fc.tuple(fc.nat(59), fc.nat(59)), { maxLength: 40 });

/** Pairs of different intervals that there are. */
const among = (list: readonly Interval[], all: readonly [number, number][]): [number, number][] =>
  all.filter(([a, b]) => a !== b && a < list.length && b < list.length);

it('gives no byte to two values that live at the same time', () => {
  fc.assert(
    fc.property(intervals, pairs, (list, all) => {
      const { locations } = allocate(list, among(list, all));
      list.forEach((a, i) => {
        list.slice(0, i).forEach((b, j) => {
          const [p, q] = [at(locations, i), at(locations, j)];
          const together = a.from <= b.to && b.from <= a.to;
          const overlap = p.buffer === q.buffer && p.offset < q.offset + b.bytes && q.offset < p.offset + a.bytes;
          expect(together && overlap).toBe(false);
        });
      });
    }),
  );
});

it('keeps apart what it is told to, begins where bindings may, and makes buffers no larger than what lies in them', () => {
  fc.assert(
    fc.property(intervals, pairs, (list, all) => {
      const conflicts = among(list, all);
      const { locations, bufferBytes } = allocate(list, conflicts);
      for (const [a, b] of conflicts) {
        expect(at(locations, a).buffer).not.toBe(at(locations, b).buffer);
      }
      expect(locations.every(({ offset }) => offset % 256 === 0)).toBe(true);
      bufferBytes.forEach((size, buffer) => {
        const ends = list.map((v, i) => (at(locations, i).buffer === buffer ? at(locations, i).offset + v.bytes : 0));
        expect(size).toBe(Math.ceil(Math.max(...ends) / 4) * 4);
      });
    }),
  );
});

it('needs what is alive at once, where many small values follow a large one', () => {
  const large = { bytes: 64 * 1024, from: 0, to: 9 };
  const small = Array.from({ length: 64 }, (_, i) => ({ bytes: 1024, from: 10 + i, to: 100 }));
  expect(allocate([large, ...small], []).bufferBytes).toEqual([large.bytes]);
});

it('makes no buffer that an adapter may refuse, unless one value needs it', () => {
  const mib = 2 ** 20;
  const first = { bytes: 200 * mib, from: 0, to: 0 };
  const later = [150, 149].map((n) => ({ bytes: n * mib, from: 1, to: 1 }));
  expect(allocate([first, ...later], []).bufferBytes).toEqual([200 * mib, 149 * mib]);
  const huge = { bytes: 600 * mib, from: 0, to: 1 };
  expect(allocate([huge, ...later], []).bufferBytes).toEqual([600 * mib, 150 * mib, 149 * mib]);
});
