/** Places boxes in layers. The functions of this folder also run in graph.html, so they use nothing from outside their parameters. */

/** A box to place. `order`: its place in the order of execution. */
export interface Box {
  readonly width: number;
  readonly height: number;
  readonly order: number;
}

/** Boxes with the corners that were found, and the size of all together. */
export interface Placed {
  readonly width: number;
  readonly height: number;
  /** The left upper corner of each box. */
  readonly corners: readonly (readonly [x: number, y: number])[];
}

/**
 * Layered layout (Sugiyama et al. 1981, without its routing): a box stands below all boxes that it reads, and in its row by the
 * mean place of those. Edges against the order of execution, which folded modules can have, do not count.
 * @param edges pairs of indices of `boxes`, from a box to one that reads it
 * @param most the width at which a row goes on in the next line
 */
export function layeredLayout(
  boxes: readonly Box[],
  edges: readonly (readonly [from: number, to: number])[],
  most: number,
): Placed {
  const gap = 18;
  const between = 30;
  const order = (i: number): number => boxes[i]?.order ?? 0;
  const sources = boxes.map((): number[] => []);
  for (const [from, to] of edges) {
    if (order(from) < order(to)) {
      sources[to]?.push(from);
    }
  }
  const layers = boxes.map(() => 0);
  const byOrder = boxes.map((_, i) => i).sort((a, b) => order(a) - order(b));
  for (const i of byOrder) {
    layers[i] = (sources[i] ?? []).reduce((most, from) => Math.max(most, (layers[from] ?? 0) + 1), 0);
  }
  const rows: number[][] = [];
  for (const i of byOrder) {
    const layer = layers[i] ?? 0;
    rows[layer] = [...(rows[layer] ?? []), i];
  }
  // Lines are centred around 0, so that the next row can be sorted before the widest line is known.
  const lefts = boxes.map(() => 0);
  const widthOf = (i: number): number => boxes[i]?.width ?? 0;
  const wish = (i: number): number => {
    const from = sources[i] ?? [];
    return from.length > 0 ? from.reduce((n, j) => n + (lefts[j] ?? 0) + widthOf(j) / 2, 0) / from.length : 0;
  };
  const lines: { readonly members: readonly number[]; readonly width: number }[] = [];
  const addLine = (members: readonly number[], width: number): void => {
    lines.push({ members, width });
    let x = -width / 2;
    for (const i of members) {
      lefts[i] = x;
      x += widthOf(i) + gap;
    }
  };
  for (const row of rows) {
    const sorted = [...row].sort((a, b) => wish(a) - wish(b) || order(a) - order(b));
    let members: number[] = [];
    let width = 0;
    for (const i of sorted) {
      if (members.length > 0 && width + gap + widthOf(i) > most) {
        addLine(members, width);
        members = [];
        width = 0;
      }
      width += widthOf(i) + (members.length > 0 ? gap : 0);
      members.push(i);
    }
    addLine(members, width);
  }
  const widest = lines.reduce((n, line) => Math.max(n, line.width), 0);
  const corners = boxes.map((): [number, number] => [0, 0]);
  let y = 0;
  for (const { members } of lines) {
    for (const i of members) {
      corners[i] = [widest / 2 + (lefts[i] ?? 0), y];
    }
    y += members.reduce((n, i) => Math.max(n, boxes[i]?.height ?? 0), 0) + between;
  }
  return { width: widest, height: Math.max(0, y - between), corners };
}
