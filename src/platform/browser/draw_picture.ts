/** Pictures on a canvas. */
import type { Picture } from '../../reno/report/picture.ts';
import { at } from '../../tensor/types.ts';

/** Draws a picture on a canvas, which takes the picture's size. */
export function drawPicture(canvas: HTMLCanvasElement, { height, width, pixels }: Picture): void {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) {
      image.data[4 * i + c] = Math.round(at(pixels, 3 * i + c) * 255);
    }
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext('2d')?.putImageData(image, 0, 0);
}
