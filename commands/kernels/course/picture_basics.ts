/** Pictures of what a GPU runs, and of tiles and panels of a product. */
import { arrow, box, cells, labelled, lines, picture, words } from './drawing.ts';

/** A dispatch, one of its workgroups, and the memories that each can reach. */
export function dispatchPicture(): string {
  const group = [300, 70] as const;
  return picture(
    820,
    330,
    'A dispatch, a workgroup, a subgroup and an invocation',
    'A dispatch is a grid of workgroups. One workgroup is 32 invocations in four subgroups of eight, with one workgroup memory. Each invocation has registers. All workgroups reach the storage buffers.',
    [
      words(30, 34, 'dispatch: 4 × 3 workgroups', 'title'),
      cells([30, 70], [4, 3], 44, (column, row) => (column === 1 && row === 1 ? 'a' : 'plain')),
      words(30, 222, 'They run in any order, and do not', 'small'),
      words(30, 239, 'wait for each other.', 'small'),
      arrow(121, 136, 290, 110),
      words(300, 34, 'workgroup: 32 invocations', 'title'),
      box(group[0] - 8, group[1] - 8, 272, 190, 'dashed'),
      cells(group, [8, 4], 32, (_, row) => (row === 2 ? 'c' : 'a')),
      labelled(300, 210, 256, 32, 'b', 'workgroup memory'),
      arrow(660, 150, 562, 150),
      words(668, 146, 'a subgroup: 8', 'small'),
      words(668, 162, 'invocations that', 'small'),
      words(668, 178, 'execute together', 'small'),
      words(600, 34, 'invocation', 'title'),
      labelled(600, 56, 32, 32, 'a', ''),
      lines(642, 68, ['runs main() once, on', 'registers of its own'], 'small'),
      arrow(596, 82, 560, 86),
      labelled(
        30,
        278,
        760,
        32,
        'd',
        'storage buffers (GPU memory): all invocations of all workgroups read and write them',
      ),
      arrow(428, 246, 428, 274),
      arrow(118, 244, 118, 274),
    ],
  );
}

/** A tile of y, the rows of a and the columns of b that it needs, and one step of k of them. */
export function productTilePicture(): string {
  const [a, b, y] = [
    [60, 190],
    [300, 40],
    [300, 190],
  ] as const;
  return picture(
    860,
    385,
    'A tile of a matrix product',
    'The tile of y needs a band of rows of a and a band of columns of b. Both bands are walked along k in steps; of each step a slice of a and a slice of b lie in fast memory.',
    [
      words(60, 180, 'a  [M, K]', 'title'),
      words(300, 30, 'b  [K, N]', 'title'),
      words(460, 300, 'y  [M, N]', 'title'),
      cells(a, [10, 8], 20, (column, row) => (row >= 2 && row < 5 ? (column >= 4 && column < 6 ? 'b' : 'a') : 'plain')),
      cells(b, [7, 6], 20, (column, row) => (column >= 2 && column < 5 ? (row >= 2 && row < 4 ? 'b' : 'c') : 'plain')),
      cells(y, [7, 8], 20, (column, row) => (column >= 2 && column < 5 && row >= 2 && row < 5 ? 'd' : 'plain')),
      box(340, 230, 60, 60, 'thick'),
      arrow(70, 362, 250, 362),
      words(58, 367, 'k', '', 'end'),
      lines(480, 60, [
        'A workgroup computes one tile of y (violet).',
        'It walks along k. At each step it holds a slice',
        'of a and a slice of b (orange) in fast memory.',
      ]),
      lines(480, 140, [
        'A tile of R rows and C columns loads R + C',
        'elements for R · C multiply-adds:',
        'a tile of 1 × 1 loads 2 for 1,',
        'a tile of 4 × 8 loads 12 for 32,',
        'a tile of 32 × 32 loads 64 for 1024.',
      ]),
    ],
  );
}

/** The order in which a tile reads b as it is stored, and as a panel. */
export function panelPicture(): string {
  const stored = (column: number) => (column < 4 ? 'c' : column < 8 ? 'a' : column < 12 ? 'b' : 'd');
  return picture(
    780,
    300,
    'A matrix as it is stored, and as panels',
    'As stored, the columns of one tile lie in pieces, one in each row of the matrix. In panels, the columns of one tile lie one after another.',
    [
      words(40, 34, 'b as stored: row after row', 'title'),
      cells([40, 50], [16, 5], 20, stored),
      lines(400, 70, [
        'One tile (green) reads a piece of each row.',
        'The pieces lie N elements apart. Where N is a power',
        'of two they share few places of the cache, and push',
        'each other out.',
      ]),
      arrow(200, 160, 200, 190),
      words(214, 180, 'packed once'),
      words(40, 214, 'b as panels: tile after tile', 'title'),
      cells([40, 230], [35, 1], 20, (column) => stored(Math.floor(column / 20) * 4)),
      words(240, 272, 'all that the first tile reads, in the order in which it reads it', 'small', 'middle'),
      words(590, 272, 'the second tile …', 'small', 'middle'),
    ],
  );
}
