import { expect, it } from 'vitest';
import { differentSizes, sizeWords } from '../../src/tensor/size_words.ts';

it('names sizes in the largest unit that they have one of', () => {
  const sizes = [0, 1, 1023, 1024, 1536, 2 ** 20, 2 ** 30, 3.25 * 2 ** 30, 2 ** 42];
  expect(sizes.map((bytes) => sizeWords(bytes))).toEqual([
    '0 B',
    '1 B',
    '1023 B',
    '1 KiB',
    '1.5 KiB',
    '1 MiB',
    '1 GiB',
    '3.3 GiB',
    '4096 GiB',
  ]);
});

it('shows the difference of two sizes, however small', () => {
  expect(differentSizes(2 ** 32, 2 ** 32 - 4)).toEqual(['4294967296 B', '4294967292 B']);
  expect(differentSizes(2 ** 32 + 2 ** 20, 2 ** 32)).toEqual(['4.001 GiB', '4 GiB']);
  expect(differentSizes(24e6 + 1, 1)).toEqual(['22.9 MiB', '1 B']);
  expect(differentSizes(2 ** 20, 1e6)).toEqual(['1 MiB', '1 MB']);
});
