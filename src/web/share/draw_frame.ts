/** Draws frames on canvases, and makes PNG files of them. */
import type { ImageSize } from '../../reno/picture.ts';
import type { ShownFrame } from '../state/studio_state.ts';

/** Draws a frame, or nothing, on a canvas, which takes its size. */
export function drawFrame(canvas: HTMLCanvasElement, frame: ShownFrame | undefined, size: ImageSize | null): void {
  canvas.width = size?.width ?? 1;
  canvas.height = size?.height ?? 1;
  if (frame && size) {
    canvas.getContext('2d')?.putImageData(new ImageData(frame.pixels, size.width, size.height), 0, 0);
  }
}

/** Returns a frame as a PNG, each pixel `scale` × `scale` large. */
export async function framePng(frame: ShownFrame, size: ImageSize, scale: number): Promise<Uint8Array<ArrayBuffer>> {
  const small = document.createElement('canvas');
  drawFrame(small, frame, size);
  const large = document.createElement('canvas');
  large.width = size.width * scale;
  large.height = size.height * scale;
  const context = large.getContext('2d');
  if (context) {
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, large.width, large.height);
  }
  const blob = await new Promise<Blob | null>((resolve) => large.toBlob(resolve, 'image/png'));
  if (!blob) {
    throw new Error('the browser made no PNG of the picture');
  }
  return new Uint8Array(await blob.arrayBuffer());
}
