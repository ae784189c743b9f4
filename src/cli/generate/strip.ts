/** Shows a trajectory as one picture: frames side by side, enlarged if they are small. */
import type { PngPicture } from '../../platform/node/png.ts';

const GAP = 4;
/** Frames are enlarged by a whole factor until they are about this high. */
const TARGET_HEIGHT = 128;

/** Frames of equal size side by side. @throws Error when there is no frame */
export function makeStrip(frames: readonly PngPicture[]): PngPicture {
  const [first] = frames;
  if (!first) {
    throw new Error('a strip needs at least one picture');
  }
  const scale = Math.max(1, Math.floor(TARGET_HEIGHT / first.height));
  const cell = { width: first.width * scale, height: first.height * scale };
  const width = frames.length * (cell.width + GAP) - GAP;
  const data = new Uint8Array(width * cell.height * 3).fill(255);
  frames.forEach((frame, n) => {
    for (let y = 0; y < cell.height; y++) {
      for (let x = 0; x < cell.width; x++) {
        const from = (Math.floor(y / scale) * frame.width + Math.floor(x / scale)) * 3;
        data.set(frame.data.subarray(from, from + 3), (y * width + n * (cell.width + GAP) + x) * 3);
      }
    }
  });
  return { width, height: cell.height, data };
}

/** Strips of equal width under each other. @throws Error when there is none */
export function stack(strips: readonly PngPicture[]): PngPicture {
  const [first] = strips;
  if (!first) {
    throw new Error('there is nothing to stack');
  }
  const rows = strips.flatMap((strip, i) =>
    i === 0 ? [strip.data] : [new Uint8Array(GAP * first.width * 3).fill(255), strip.data],
  );
  const height = strips.reduce((n, strip) => n + strip.height, 0) + GAP * (strips.length - 1);
  const data = new Uint8Array(first.width * height * 3);
  let end = 0;
  for (const row of rows) {
    data.set(row, end);
    end += row.length;
  }
  return { width: first.width, height, data };
}

/** The iterations to show: `count` of them at even distances, from the first to the last. */
export function stripIterations(iterations: number, count = 8): number[] {
  const n = Math.min(count, iterations);
  return [...new Set(Array.from({ length: n }, (_, i) => Math.round((i * (iterations - 1)) / Math.max(1, n - 1))))];
}
