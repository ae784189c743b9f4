/** The noise of the picture that is looked at, with its gradient, place by place, to be pushed by hand. */
import { element } from '../elements.ts';
import type { RunController } from '../run/run_controller.ts';
import { shownFrame } from '../state/shown_frame.ts';
import type { Studio } from '../state/studio_state.ts';
import { type Grid, gridOf, heatMap, indexOf } from './heat_map.ts';

/** Noise is standard normal: nearly all of it lies within this. */
const LIMIT = 3;
/** A push adds this to one value of the noise. */
const PUSH = 1;

export function mountNoise(studio: Studio, controller: RunController): void {
  const details = element('noise', HTMLDetailsElement);
  const channel = element('noise-channel', HTMLSelectElement);
  const map = element('noise-map', HTMLCanvasElement);
  const gradientMap = element('gradient-map', HTMLCanvasElement);
  const value = element('noise-value', HTMLSpanElement);
  const column = element('noise-x', HTMLInputElement);
  const row = element('noise-y', HTMLInputElement);
  let place = { x: 0, y: 0 };
  let said = '';

  const grid = (): Grid | null => {
    const { engine } = studio.state;
    return engine?.levers ? gridOf(engine.charted.noise.shape) : null;
  };
  const draw = (): void => {
    const size = grid();
    const noise = shownFrame(studio.state)?.noise;
    if (!details.open || !size) {
      return;
    }
    if (!noise) {
      value.textContent = said || 'Start a run: noise is kept while this is open.';
      return;
    }
    const index = indexOf(size, Number(channel.value), place.x, place.y);
    const largest = noise.gradient.reduce((most, g) => Math.max(most, Math.abs(g)), 1e-12);
    const step = noise.gradient.map((g) => -g);
    paint(map, size, heatMap(noise.latents, size, Number(channel.value), LIMIT), place);
    paint(gradientMap, size, heatMap(step, size, Number(channel.value), largest), place);
    value.textContent = `${place.x}, ${place.y}: ${(noise.latents[index] ?? 0).toFixed(2)}${said}`;
  };
  const go = (x: number, y: number, writes = true): void => {
    const size = grid();
    if (size) {
      place = { x: Math.min(Math.max(x, 0), size.width - 1), y: Math.min(Math.max(y, 0), size.height - 1) };
      if (writes) {
        column.value = String(place.x);
        row.value = String(place.y);
      }
      draw();
    }
  };
  const push = (by: number): void => {
    const size = grid();
    const { phase } = studio.state;
    if (size && (phase === 'running' || phase === 'paused')) {
      controller.engine.push({ index: indexOf(size, Number(channel.value), place.x, place.y), by });
      said = `, pushed ${by > 0 ? 'up' : 'down'} by ${PUSH}`;
    } else {
      said = ': only a run that is on can be pushed';
    }
    draw();
    said = '';
  };

  details.addEventListener('toggle', () => {
    controller.engine.watchNoise(details.open);
    draw();
  });
  channel.addEventListener('change', draw);
  for (const input of [column, row]) {
    input.addEventListener('input', () => go(column.valueAsNumber || 0, row.valueAsNumber || 0, false));
  }
  map.addEventListener('pointerdown', (event) => {
    const size = grid();
    const box = map.getBoundingClientRect();
    if (size) {
      go(
        Math.floor(((event.clientX - box.left) / box.width) * size.width),
        Math.floor(((event.clientY - box.top) / box.height) * size.height),
      );
    }
  });
  element('push-up', HTMLButtonElement).addEventListener('click', () => push(PUSH));
  element('push-down', HTMLButtonElement).addEventListener('click', () => push(-PUSH));
  studio.watch(['engine'], () => {
    const size = grid();
    details.hidden = size === null;
    column.max = String((size?.width ?? 1) - 1);
    row.max = String((size?.height ?? 1) - 1);
    channel.replaceChildren(...Array.from({ length: size?.channels ?? 0 }, (_, i) => new Option(String(i), String(i))));
  });
  studio.watch(['run', 'shown'], draw);
}

/** Draws a map at several pixels a place, with a frame around the chosen one. */
function paint(
  canvas: HTMLCanvasElement,
  { height, width }: Grid,
  pixels: Uint8ClampedArray<ArrayBuffer>,
  place: { x: number; y: number },
): void {
  const scale = Math.max(1, Math.floor(256 / Math.max(height, width)));
  canvas.width = width * scale;
  canvas.height = height * scale;
  canvas.style.setProperty('--aspect', `${width} / ${height}`);
  const context = canvas.getContext('2d');
  const small = new OffscreenCanvas(width, height);
  small.getContext('2d')?.putImageData(new ImageData(pixels, width, height), 0, 0);
  if (context) {
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, canvas.width, canvas.height);
    context.lineWidth = Math.max(1, scale / 8);
    context.strokeStyle = '#000';
    context.strokeRect(place.x * scale + 1, place.y * scale + 1, scale - 2, scale - 2);
  }
}
