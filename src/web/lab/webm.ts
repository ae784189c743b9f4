/** Records a run as a WebM film, with the browser's own encoder. The browser records as fast as the film plays. */
import type { ImageSize } from '../../reno/report/picture.ts';
import { drawFrame } from '../share/draw_frame.ts';
import type { ShownFrame } from '../state/studio_state.ts';

const TYPES = ['video/webm;codecs=vp9', 'video/webm;codecs=vp8', 'video/webm'];
/** Small flat pictures need few bits; more of them keep the edges of pixels sharp. */
const BITS_PER_SECOND = 4_000_000;

/** How a film plays. */
export interface WebmOptions {
  /** Each pixel becomes so many pixels wide and high. */
  readonly scale: number;
  /** Milliseconds for each picture. */
  readonly delay: number;
  /** Milliseconds for the first one, and for the last. */
  readonly rest: number;
}

/** Returns the kind of WebM that this browser records; undefined where it records none. */
export function webmType(): string | undefined {
  return typeof MediaRecorder === 'undefined' || !('captureStream' in HTMLCanvasElement.prototype)
    ? undefined
    : TYPES.find((type) => MediaRecorder.isTypeSupported(type));
}

/** Records the pictures in their order. @throws Error, one sentence, where the browser cannot */
export async function makeWebm(
  pictures: readonly Pick<ShownFrame, 'pixels'>[],
  size: ImageSize,
  { scale, delay, rest }: WebmOptions,
): Promise<Blob> {
  const type = webmType();
  const small = document.createElement('canvas');
  const film = document.createElement('canvas');
  film.width = size.width * scale;
  film.height = size.height * scale;
  const context = film.getContext('2d');
  if (type === undefined || !context) {
    throw new Error('this browser records no WebM: save the run as a GIF');
  }
  context.imageSmoothingEnabled = false;
  const stream = film.captureStream();
  const recorder = new MediaRecorder(stream, { mimeType: type, videoBitsPerSecond: BITS_PER_SECOND });
  const parts: Blob[] = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  const ended = new Promise<void>((resolve, reject) => {
    recorder.onstop = () => resolve();
    recorder.onerror = () => reject(new Error('the browser stopped the recording: save the run as a GIF'));
  });
  recorder.start();
  for (const [i, picture] of pictures.entries()) {
    drawFrame(small, picture, size);
    context.drawImage(small, 0, 0, film.width, film.height);
    await new Promise((resolve) => setTimeout(resolve, i === 0 || i === pictures.length - 1 ? rest : delay));
  }
  // The last picture ends the film only when it is drawn again.
  context.drawImage(small, 0, 0, film.width, film.height);
  recorder.stop();
  await ended;
  for (const track of stream.getTracks()) {
    track.stop();
  }
  return new Blob(parts, { type: 'video/webm' });
}
