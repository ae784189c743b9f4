/** Pictures of attention and of group norm. */
import { arrow, box, cells, labelled, lines, picture, words } from './drawing.ts';

/** Softmax of a row over blocks of keys: the maximum, the sum and the weighted values are kept and rescaled. */
export function softmaxPicture(): string {
  const blocks = [0, 1, 2];
  return picture(
    860,
    320,
    'Online softmax over blocks of keys',
    'For a tile of query rows, blocks of keys are taken one after another. Each row keeps its maximum m, its sum l and its weighted sum of values o. When the maximum grows, l and o are multiplied by the exponential of the old maximum minus the new one.',
    [
      words(40, 34, 'keys and values, block after block', 'title'),
      ...blocks.map((i) => [
        ...labelled(130 + i * 220, 50, 130, 40, 'c', `block ${i + 1}`),
        ...arrow(195 + i * 220, 94, 195 + i * 220, 126),
        ...labelled(130 + i * 220, 130, 130, 50, 'b', ''),
        words(195 + i * 220, 151, 'scores s = q kᵀ', 'small', 'middle'),
        words(195 + i * 220, 169, 'p = exp(s − m′)', 'small', 'middle'),
        ...arrow(195 + i * 220, 184, 195 + i * 220, 214),
        ...labelled(130 + i * 220, 218, 130, 44, 'd', 'm, l, o'),
        ...(i < 2 ? arrow(264 + i * 220, 240, 344 + i * 220, 240) : []),
        ...(i < 2 ? [words(304 + i * 220, 230, '× e^(m − m′)', 'small', 'middle')] : []),
      ]),
      ...labelled(20, 130, 76, 50, 'a', 'queries'),
      ...arrow(100, 155, 126, 155),
      ...arrow(704, 240, 732, 240),
      words(740, 236, 'y = o / l', 'small'),
      words(740, 254, 'lse = m + log l', 'small'),
      words(
        40,
        300,
        'Kept for a row: two numbers and D sums. A block of scores lives only until the next one; the matrix of all scores never exists.',
        'small',
      ),
    ].flat(),
  );
}

/** The values that the forward pass keeps, and how the backward pass makes p again. */
export function recomputePicture(): string {
  return picture(
    860,
    360,
    'The life of the probabilities',
    'The forward pass makes tiles of p and drops them. It keeps y and the log-sum-exp of each row. The backward pass makes the tiles again: once by rows for dq, and once by columns for dk and dv.',
    [
      words(40, 34, 'forward', 'title'),
      cells([40, 50], [6, 6], 26, (_, row) => (row === 2 ? 'b' : 'off')),
      lines(40, 228, ['A tile of p lives', 'while its row of', 'tiles is computed.'], 'small'),
      arrow(204, 128, 262, 128),
      labelled(268, 82, 110, 40, 'd', 'y  [T, D]'),
      labelled(268, 134, 110, 40, 'd', 'lse  [T]'),
      words(268, 70, 'kept', 'title'),
      lines(268, 198, ['p = exp(s − lse)', 'needs no sum', 'over the row.'], 'small'),
      arrow(382, 128, 440, 128),
      words(446, 34, 'backward, by rows: dq', 'title'),
      cells([446, 50], [6, 6], 26, (_, row) => (row === 2 ? 'b' : 'off')),
      arrow(446, 115, 606, 115),
      lines(446, 228, ['A workgroup has 32 queries', 'and goes over the keys.'], 'small'),
      words(650, 34, 'by columns: dk, dv', 'title'),
      cells([650, 50], [6, 6], 26, (column) => (column === 3 ? 'b' : 'off')),
      arrow(741, 50, 741, 210),
      lines(650, 228, ['A workgroup has 32 keys', 'and goes over the queries.'], 'small'),
      lines(40, 312, [
        'Seven products of [T, D] × [D, S] size in place of five: q kᵀ and dy vᵀ are computed twice.',
        'In return no invocation adds to memory that another one adds to, and T × S numbers are never stored.',
      ]),
    ].flat(),
  );
}

/** The two passes of group norm, forward and backward. */
export function groupNormPicture(): string {
  return picture(
    860,
    320,
    'Group norm in two passes',
    'First pass: each workgroup adds up a chunk of pixels of one group. Second pass: each workgroup combines the partial sums of all chunks, then writes its pixels.',
    [
      words(40, 34, 'x [pixels, channels]', 'title'),
      cells([40, 50], [8, 9], 22, (column, row) => (column < 4 ? (row < 3 ? 'a' : row < 6 ? 'b' : 'c') : 'off')),
      box(40, 50, 88, 198, 'thick'),
      words(40, 270, 'one group (thick), three chunks', 'small'),
      words(280, 34, 'first pass', 'title'),
      ...(['a', 'b', 'c'] as const).flatMap((kind, i) => [
        ...arrow(222, 83 + i * 66, 276, 83 + i * 66),
        ...labelled(282, 63 + i * 66, 150, 40, kind, 'sums of a chunk'),
        ...arrow(436, 83 + i * 66, 500, 149),
      ]),
      words(506, 34, 'second pass', 'title'),
      ...labelled(506, 126, 150, 46, 'd', 'combined'),
      ...arrow(660, 149, 706, 149),
      ...labelled(712, 63, 110, 172, 'plain', 'result'),
      lines(506, 196, ['Each workgroup combines', 'them again: cheaper than', 'a dispatch in between.'], 'small'),
      words(
        40,
        302,
        'Forward: mean and variance of a group. Backward: the means of g and of g n. Each is two numbers of a group.',
        'small',
      ),
    ],
  );
}
