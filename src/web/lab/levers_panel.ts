/** Levers that act on a running loop, each with a text on what it does. */
import type { Levers } from '../../reno/loop/levers.ts';
import { explanationOf } from '../../reno/settings/explanations.ts';
import { element } from '../elements.ts';
import type { RunController } from '../run/run_controller.ts';
import type { Studio } from '../state/studio_state.ts';

const OPTIMISERS = [
  ['sgd', 'SGD with momentum'],
  ['adam', 'Adam'],
] as const;

export function mountLevers(studio: Studio, controller: RunController): void {
  const panel = element('levers', HTMLFieldSetElement);
  const rows = element('lever-rows', HTMLDivElement);
  const reset = element('levers-reset', HTMLButtonElement);
  const closed = element('levers-closed', HTMLParagraphElement);
  const open = element('levers-open', HTMLButtonElement);
  open.addEventListener('click', () => controller.engine.openLevers());
  studio.watch(['phase', 'engine', 'settings'], ({ phase, engine, settings }) => {
    // Other methods have no levers.
    closed.hidden = engine === null || engine.levers !== null || settings.method !== 'reno';
    open.disabled = phase !== 'ready';
  });
  let built: Levers | null = null;
  let show: ((levers: Levers) => void) | null = null;

  studio.watch(['engine', 'levers'], ({ engine, levers }) => {
    const initial = engine?.levers ?? null;
    panel.hidden = initial === null;
    if (initial && initial !== built) {
      built = initial;
      show = build(
        rows,
        initial,
        () => studio.state.levers ?? initial,
        (moved) => controller.engine.move(moved),
      );
    }
    if (initial) {
      show?.(levers ?? initial);
      reset.disabled = levers === null;
    }
  });
  reset.addEventListener('click', () => controller.engine.move(null));
}

/** Fills the panel. @returns a function that shows values in it */
function build(
  rows: HTMLElement,
  initial: Levers,
  now: () => Levers,
  move: (levers: Levers) => void,
): (levers: Levers) => void {
  const shows: ((levers: Levers) => void)[] = [];
  const number = (
    label: string,
    about: string,
    read: (l: Levers) => number,
    write: (l: Levers, n: number) => Levers,
  ): HTMLElement => {
    const input = document.createElement('input');
    input.type = 'number';
    input.min = '0';
    input.step = 'any';
    input.setAttribute('aria-label', label);
    input.addEventListener('change', () => {
      if (input.value !== '' && input.validity.valid) {
        move(write(now(), input.valueAsNumber));
      } else {
        input.value = String(read(now()));
      }
    });
    shows.push((levers) => {
      input.value = String(read(levers));
    });
    return row(label, about, input);
  };

  const rewards = Object.entries(initial.rewards).map(([name, usual]) => {
    const set = (levers: Levers, weight: number): Levers => ({
      ...levers,
      rewards: { ...levers.rewards, [name]: weight },
    });
    const weight = number(`${name}, weight`, name, (l) => l.rewards[name] ?? 0, set);
    const on = document.createElement('input');
    on.type = 'checkbox';
    on.setAttribute('aria-label', `${name} counts`);
    on.addEventListener('change', () => move(set(now(), on.checked ? usual : 0)));
    shows.push((levers) => {
      on.checked = (levers.rewards[name] ?? 0) > 0;
    });
    weight.querySelector('.lever')?.prepend(on);
    return weight;
  });
  const choice = document.createElement('select');
  choice.append(...OPTIMISERS.map(([value, label]) => new Option(label, value)));
  choice.setAttribute('aria-label', 'Optimiser');
  choice.addEventListener('change', () => move({ ...now(), optim: choice.value === 'adam' ? 'adam' : 'sgd' }));
  shows.push(({ optim }) => {
    choice.value = optim;
  });
  rows.replaceChildren(
    ...rewards,
    number(
      'Learning rate',
      'Learning rate',
      (l) => l.lr,
      (l, lr) => ({ ...l, lr }),
    ),
    number(
      'Gradient clip',
      'Gradient norm',
      (l) => l.gradClip,
      (l, gradClip) => ({ ...l, gradClip }),
    ),
    number(
      'Regulariser, weight',
      'Noise norm',
      (l) => l.regWeight,
      (l, regWeight) => ({ ...l, regWeight }),
    ),
    row('Optimiser', 'Optimiser', choice),
  );
  return (levers) => {
    for (const one of shows) {
      one(levers);
    }
  };
}

/** A lever with its name, and its explanation to unfold. */
function row(label: string, about: string, control: HTMLElement): HTMLElement {
  const details = document.createElement('details');
  const summary = document.createElement('summary');
  summary.textContent = label;
  const text = document.createElement('p');
  text.textContent = explanationOf(about) ?? '';
  details.append(summary, text);
  const holder = document.createElement('div');
  holder.className = 'lever';
  holder.append(control);
  const made = document.createElement('div');
  made.className = 'lever-row';
  made.append(details, holder);
  return made;
}
