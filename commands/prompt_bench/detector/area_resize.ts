/** OpenCV's resize with INTER_AREA on 8-bit pictures (imgproc/src/resize.cpp), which detectors of its world expect. */
import type { PngPicture } from '../../../src/platform/node/png.ts';
import { at } from '../../../src/tensor/types.ts';

/** The sources of one row or column, with their weights, which add up to 1. */
type Taps = readonly (readonly [source: number, weight: number])[];

/** Returns a picture of another size. Smaller in both: means over areas; otherwise OpenCV's own linear rule. */
export function areaResize({ width, height, data }: PngPicture, toWidth: number, toHeight: number): PngPicture {
  const isSmaller = toWidth <= width && toHeight <= height;
  const taps = isSmaller ? meanTaps : linearTaps;
  const [columns, rows] = [taps(width, toWidth), taps(height, toHeight)];
  const narrow = new Float32Array(height * toWidth * 3);
  for (let y = 0; y < height; y++) {
    for (const [x, sources] of columns.entries()) {
      for (const [source, weight] of sources) {
        for (let c = 0; c < 3; c++) {
          const i = (y * toWidth + x) * 3 + c;
          narrow[i] = at(narrow, i) + weight * at(data, (y * width + source) * 3 + c);
        }
      }
    }
  }
  const out = new Uint8Array(toHeight * toWidth * 3);
  const row = new Float32Array(toWidth * 3);
  for (const [y, sources] of rows.entries()) {
    row.fill(0);
    for (const [source, weight] of sources) {
      for (let i = 0; i < row.length; i++) {
        row[i] = at(row, i) + weight * at(narrow, source * row.length + i);
      }
    }
    out.set(
      row.map((v) => Math.round(v)),
      y * row.length,
    );
  }
  return { width: toWidth, height: toHeight, data: out };
}

function meanTaps(from: number, to: number): Taps[] {
  const scale = from / to;
  return Array.from({ length: to }, (_, i) => {
    const [start, end] = [i * scale, Math.min(from, (i + 1) * scale)];
    const first = Math.floor(start);
    return Array.from({ length: Math.ceil(end - 1e-9) - first }, (_, k) => {
      const source = first + k;
      const covered = Math.min(end, source + 1) - Math.max(start, source);
      return [source, covered / (end - start)] as const;
    });
  });
}

function linearTaps(from: number, to: number): Taps[] {
  const scale = from / to;
  return Array.from({ length: to }, (_, i) => {
    const source = Math.min(from - 1, Math.floor(i * scale));
    const beyond = i + 1 - (source + 1) / scale;
    const share = beyond <= 0 ? 0 : beyond - Math.floor(beyond);
    const next = Math.min(from - 1, source + 1);
    return [[source, 1 - share] as const, [next, share] as const];
  });
}
