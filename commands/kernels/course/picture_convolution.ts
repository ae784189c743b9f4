/** Pictures of convolution: what a tile reads, the phases of an input gradient, and Winograd's transforms. */
import { arrow, box, cells, labelled, lines, picture, words } from './drawing.ts';

/** A tile of results and the halo of source pixels around it; and the same tap in the gradient. */
export function haloPicture(): string {
  return picture(
    820,
    330,
    'A convolution and its input gradient read the same kind of neighbourhood',
    'A tile of 4 by 4 results of a 3 by 3 convolution reads 6 by 6 source pixels. A pixel of the input gradient reads a 3 by 3 neighbourhood of dy, with the weight rotated by half a turn.',
    [
      words(40, 34, 'x', 'title'),
      cells([40, 50], [9, 9], 22, (column, row) =>
        column >= 2 && column < 6 && row >= 2 && row < 6
          ? 'a'
          : column >= 1 && column < 7 && row >= 1 && row < 7
            ? 'b'
            : 'plain',
      ),
      box(62, 72, 66, 66, 'thick'),
      arrow(250, 150, 300, 150),
      words(310, 80, 'y', 'title'),
      cells([310, 94], [4, 4], 22, (column, row) => (column === 0 && row === 0 ? 'd' : 'a')),
      lines(
        40,
        272,
        ['A tile of 4 × 4 results reads 6 × 6 pixels:', 'its own place (blue) and a halo (orange).'],
        'small',
      ),
      words(470, 34, 'dy', 'title'),
      cells([470, 50], [9, 9], 22, (column, row) => (column >= 3 && column < 6 && row >= 3 && row < 6 ? 'c' : 'plain')),
      box(536, 116, 66, 66, 'thick'),
      arrow(680, 150, 722, 150),
      words(730, 128, 'dx', 'title'),
      cells([730, 139], [1, 1], 22, () => 'd'),
      lines(
        470,
        272,
        ['A pixel of dx reads the 3 × 3 pixels of dy whose', 'windows contained it, by the weight turned half round.'],
        'small',
      ),
    ],
  );
}

/** Stride 2: the four phases of dx, and the taps that each reads. */
export function phasePicture(): string {
  const kinds = ['a', 'b', 'c', 'd'] as const;
  const kindOf = (column: number, row: number) => kinds[(row % 2) * 2 + (column % 2)] ?? 'plain';
  // Padding 1, 3 x 3: along one axis, class 0 reads tap 1, class 1 taps 0 and 2.
  const reads = (cls: number, tap: number): boolean => (cls + 1 - tap) % 2 === 0;
  return picture(
    820,
    300,
    'The four phases of the input gradient of a convolution of stride two',
    'The pixels of dx fall into four phases by their row and column modulo two. With a 3 by 3 kernel and padding 1 the phases read one, two, two and four taps.',
    [
      words(40, 34, 'dx, stride 2: four phases', 'title'),
      cells([40, 50], [8, 8], 24, kindOf),
      words(300, 34, 'the taps that each phase reads (3 × 3, padding 1)', 'title'),
      ...kinds.map((kind, i) => [
        ...cells([300 + i * 125, 60], [3, 3], 26, (tapX, tapY) =>
          reads(Math.floor(i / 2), tapY) && reads(i % 2, tapX) ? kind : 'off',
        ),
        words(339 + i * 125, 160, `${[1, 2, 2, 4][i]} of 9`, 'small', 'middle'),
      ]),
      lines(300, 200, [
        'The other taps would meet pixels between those that the stride took.',
        'All pixels of one phase read the same taps. So a workgroup takes pixels',
        'of one phase, and none of its invocations does work in vain.',
      ]),
    ].flat(),
  );
}

/** F(4×4, 3×3): a tile to 36 points, a product at each, and back. */
export function winogradPicture(): string {
  return picture(
    860,
    350,
    'Winograd F(4×4, 3×3)',
    'A tile of 6 by 6 source pixels is transformed to 36 points, the 3 by 3 weight too; at each point the channels are multiplied as matrices; the 36 results are transformed to 4 by 4 pixels.',
    [
      words(40, 34, 'tile d: 6 × 6 pixels', 'title'),
      cells([40, 50], [6, 6], 18, () => 'a'),
      arrow(156, 104, 206, 104),
      words(181, 94, 'Bᵀ d B', 'small', 'middle'),
      cells([214, 50], [6, 6], 18, (column, row) => (column === 2 && row === 1 ? 'b' : 'a')),
      words(40, 204, 'weight g: 3 × 3', 'title'),
      cells([40, 220], [3, 3], 18, () => 'c'),
      arrow(102, 247, 206, 247),
      words(154, 237, 'G g Gᵀ', 'small', 'middle'),
      cells([214, 200], [6, 6], 18, (column, row) => (column === 2 && row === 1 ? 'b' : 'c')),
      arrow(326, 104, 384, 140),
      arrow(326, 250, 384, 196),
      labelled(390, 120, 190, 96, 'b', ''),
      ...lines(402, 146, ['at each of 36 points:', '[tiles, Cin] × [Cin, Cout],', 'an ordinary product']),
      arrow(584, 168, 630, 168),
      cells([638, 50], [6, 6], 18, () => 'd'),
      words(638, 34, '36 results m', 'title'),
      arrow(692, 162, 692, 204),
      words(700, 188, 'Aᵀ m A', 'small'),
      cells([656, 212], [4, 4], 18, () => 'd'),
      words(656, 304, '4 × 4 results', 'title'),
      words(40, 338, '36 multiplications for 16 results of 9 taps each: 144 / 36 = a quarter.', 'small'),
    ],
  );
}
