/** A picture as a PNG. */
import type { ImageSize } from '../../reno/picture.ts';

/** @param pixels RGBA @param scale each pixel becomes so many pixels wide and high */
export function framePng(
  pixels: Uint8ClampedArray<ArrayBuffer>,
  { height, width }: ImageSize,
  scale: number,
): Promise<Blob> {
  const small = document.createElement('canvas');
  small.width = width;
  small.height = height;
  small.getContext('2d')?.putImageData(new ImageData(pixels, width, height), 0, 0);
  const large = document.createElement('canvas');
  large.width = width * scale;
  large.height = height * scale;
  const context = large.getContext('2d');
  if (context) {
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, large.width, large.height);
  }
  return new Promise((resolve, reject) => {
    large.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('the browser made no PNG'))), 'image/png');
  });
}
