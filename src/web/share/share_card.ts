/** The share card: before, after and the verdict, 1200 × 630 pixels, as social networks show a link. */
import type { ShownFrame, ShownRun } from '../state/studio_state.ts';
import { counted } from '../words.ts';
import { canvasPng, drawFrame } from './draw_frame.ts';

const WIDTH = 1200;
const HEIGHT = 630;
const MARGIN = 48;
const PICTURE = 404;
const TOP = 132;
const COLOURS = { page: '#f7f7f5', ink: '#1c1d1f', soft: '#63666b', accent: '#0b6e4f', line: '#e3e3df' };
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

/** The words about the two pictures, such as `asked: three butterflies; found: two ✗`; null where nothing judged them. */
export interface CardWords {
  readonly before: string | null;
  readonly after: string | null;
}

/** Draws the card. @throws Error where the run has no picture or the browser gives no canvas */
export async function shareCard(run: ShownRun, words: CardWords): Promise<Blob> {
  const canvas = document.createElement('canvas');
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  const context = canvas.getContext('2d');
  const [first, best] = [run.frames[0], run.frames[run.best]];
  if (!context || !first || !best) {
    throw new Error('there is no picture to show on a card');
  }
  context.fillStyle = COLOURS.page;
  context.fillRect(0, 0, WIDTH, HEIGHT);
  context.fillStyle = COLOURS.ink;
  write(context, `“${run.settings.prompt}”`, { x: MARGIN, y: 84, width: WIDTH - 2 * MARGIN, size: 44, weight: 650 });
  const right = WIDTH - MARGIN - PICTURE;
  picture(context, run, first, MARGIN, COLOURS.line);
  picture(context, run, best, right, COLOURS.accent);
  const under = { y: TOP + PICTURE + 36, width: PICTURE, size: 24 };
  context.fillStyle = COLOURS.ink;
  write(context, words.before ?? 'Before', { x: MARGIN, ...under });
  context.fillStyle = COLOURS.accent;
  write(context, words.after ?? 'After', { x: right, ...under, weight: 650 });
  middle(context, run, best);
  return canvasPng(canvas);
}

function middle(context: CanvasRenderingContext2D, run: ShownRun, best: ShownFrame): void {
  const x = MARGIN + PICTURE + 24;
  const width = WIDTH - 2 * (MARGIN + PICTURE + 24);
  context.fillStyle = COLOURS.soft;
  const lines = [
    `seed ${run.settings.seed}`,
    best.iteration === 0
      ? 'the first picture'
      : run.settings.method === 'reno' || run.settings.method === 'preconditioned'
        ? `after ${counted(best.iteration, 'step')}`
        : `the best of ${counted(run.frames.length, 'picture')}`,
    'only the noise changed,',
    'never the model',
  ];
  for (const [i, line] of lines.entries()) {
    write(context, line, { x: x + width / 2, y: TOP + 150 + i * 36, width, size: 24, align: 'center' });
  }
  context.fillStyle = COLOURS.accent;
  write(context, '→', { x: x + width / 2, y: TOP + 100, width, size: 64, align: 'center' });
  context.fillStyle = COLOURS.soft;
  write(context, 'ReNO on WebGPU', { x: WIDTH - MARGIN, y: HEIGHT - 22, width, size: 18, align: 'right' });
}

function picture(
  context: CanvasRenderingContext2D,
  { size }: ShownRun,
  frame: ShownFrame,
  x: number,
  frameColour: string,
): void {
  const small = document.createElement('canvas');
  drawFrame(small, frame, size);
  const scale = PICTURE / Math.max(size.width, size.height);
  const [width, height] = [size.width * scale, size.height * scale];
  const [left, top] = [x + (PICTURE - width) / 2, TOP + (PICTURE - height) / 2];
  context.imageSmoothingEnabled = scale < 1;
  context.drawImage(small, left, top, width, height);
  context.strokeStyle = frameColour;
  context.lineWidth = 3;
  context.strokeRect(left, top, width, height);
}

interface Line {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly size: number;
  readonly weight?: number;
  readonly align?: CanvasTextAlign;
}

/** Writes one line, in smaller letters where it is too long, and cut where that is not enough. */
function write(
  context: CanvasRenderingContext2D,
  text: string,
  { x, y, width, size, weight = 400, align = 'left' }: Line,
): void {
  const set = (pixels: number): void => {
    context.font = `${weight} ${pixels}px ${FONT}`;
  };
  set(size);
  const fitting = Math.max(size * 0.6, Math.min(size, (size * width) / context.measureText(text).width));
  set(fitting);
  let shown = text;
  while (context.measureText(shown).width > width + 1 && shown.length > 1) {
    shown = `${shown.slice(0, -2)}…`;
  }
  context.textAlign = align;
  context.fillText(shown, x, y);
}
