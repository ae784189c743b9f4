/** Buttons and a slider that choose the iteration to look at, and play the run again at any speed. */
import { element } from '../elements.ts';
import type { Studio } from '../state/studio_state.ts';

/** Milliseconds for each picture. */
const SPEEDS = [
  ['slow motion', 600],
  ['normal', 150],
  ['fast', 40],
] as const;
const NORMAL = '150';

export function mountTransport(studio: Studio): void {
  const slider = element('lab-iteration', HTMLInputElement);
  const where = element('lab-where', HTMLSpanElement);
  const play = element('lab-play', HTMLButtonElement);
  const speed = element('lab-speed', HTMLSelectElement);
  const loop = element('lab-loop', HTMLInputElement);
  speed.replaceChildren(...SPEEDS.map(([label, each]) => new Option(label, String(each))));
  speed.value = NORMAL;
  let timer: ReturnType<typeof setTimeout> | undefined;

  /** Position of the frame that is looked at. */
  const position = (): number => {
    const { run, shown } = studio.state;
    const found = run?.frames.findIndex(({ iteration }) => iteration === shown) ?? -1;
    return found < 0 ? (run?.frames.length ?? 1) - 1 : found;
  };
  const look = (at: number): void => {
    const frames = studio.state.run?.frames ?? [];
    const frame = frames[Math.min(Math.max(at, 0), frames.length - 1)];
    if (frame) {
      studio.change({ shown: frame.iteration });
    }
  };
  const rest = (): void => {
    clearTimeout(timer);
    timer = undefined;
    play.textContent = 'Play';
  };
  const tick = (): void => {
    const last = (studio.state.run?.frames.length ?? 1) - 1;
    const next = position() + 1;
    if (next > last && !loop.checked) {
      rest();
      return;
    }
    look(next > last ? 0 : next);
    timer = setTimeout(tick, Number(speed.value));
  };
  const step = (to: () => number) => (): void => {
    rest();
    look(to());
  };
  element('lab-first', HTMLButtonElement).addEventListener(
    'click',
    step(() => 0),
  );
  element('lab-back', HTMLButtonElement).addEventListener(
    'click',
    step(() => position() - 1),
  );
  element('lab-forth', HTMLButtonElement).addEventListener(
    'click',
    step(() => position() + 1),
  );
  slider.addEventListener(
    'input',
    step(() => slider.valueAsNumber),
  );
  play.addEventListener('click', () => {
    if (timer !== undefined) {
      rest();
      return;
    }
    play.textContent = 'Hold';
    if (position() === (studio.state.run?.frames.length ?? 1) - 1) {
      look(-1);
    }
    timer = setTimeout(tick, Number(speed.value));
  });

  let settings = studio.state.run?.settings;
  studio.watch(['run', 'shown'], ({ run, shown }) => {
    if (run?.settings !== settings) {
      settings = run?.settings; // Another run: it is followed from its start.
      rest();
    }
    const frames = run?.frames ?? [];
    const at = position();
    slider.max = String(Math.max(0, frames.length - 1));
    slider.value = String(at);
    const live = shown === null && run?.outcome === null ? ', newest' : '';
    where.textContent = `iteration ${frames[at]?.iteration ?? 0} of ${frames.at(-1)?.iteration ?? 0}${live}`;
    slider.setAttribute('aria-valuetext', where.textContent);
  });
}
