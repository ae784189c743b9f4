/** The form: prompt, seed, iterations, method, and the buttons that start, pause and stop a run. */
import { METHOD_NAMES } from '../../reno/search/method_names.ts';
import { METHOD_TEXTS } from '../../reno/settings/explanations.ts';
import { element } from '../elements.ts';
import type { RunController } from '../run/run_controller.ts';
import { lengthWords } from '../run/run_length.ts';
import { LIMITS, withSettingsIn } from '../share/address.ts';
import type { Studio } from '../state/studio_state.ts';

/** Connects the form with the state. Other buttons that send the form start what they name, after this has read it. What is typed while the models load is kept. */
export function mountControls(studio: Studio, controller: RunController): void {
  const form = element('controls', HTMLFormElement);
  const prompt = element('prompt', HTMLInputElement);
  const seed = element('seed', HTMLInputElement);
  const iterations = element('iterations', HTMLInputElement);
  const method = element('method', HTMLSelectElement);
  const words = element('method-words', HTMLParagraphElement);
  const run = element('run', HTMLButtonElement);
  const pause = element('pause', HTMLButtonElement);
  const step = element('step', HTMLButtonElement);
  const stop = element('stop', HTMLButtonElement);
  seed.max = String(LIMITS.seed);
  iterations.max = String(LIMITS.iterations);
  method.append(...METHOD_NAMES.map((name) => new Option(METHOD_TEXTS[name].label, name)));

  const readForm = (): void => {
    const { settings } = studio.state;
    studio.change({
      settings: {
        prompt: prompt.value,
        seed: seed.validity.valid ? seed.valueAsNumber : settings.seed,
        iterations: iterations.validity.valid ? iterations.valueAsNumber : settings.iterations,
        method: METHOD_NAMES.find((name) => name === method.value) ?? settings.method,
      },
    });
  };
  form.addEventListener('input', () => {
    studio.change({ typed: true });
    readForm();
  });

  studio.watch(['settings'], ({ settings }) => {
    // Writing the same text would move the caret.
    for (const [input, value] of [
      [prompt, settings.prompt],
      [seed, String(settings.seed)],
      [iterations, String(settings.iterations)],
    ] as const) {
      // A number that is being typed may not be one yet.
      if (input.value !== value && (input === prompt || document.activeElement !== input)) {
        input.value = value;
      }
    }
    method.value = settings.method;
    words.textContent = `${METHOD_TEXTS[settings.method].text} Here: ${lengthWords(settings)}.`;
    prompt.setCustomValidity(prompt.value.trim() === '' ? 'Write what the picture should show.' : '');
  });

  studio.watch(['phase'], ({ phase }) => {
    const running = phase === 'running' || phase === 'paused';
    // Not `disabled`: a button that becomes disabled loses the focus.
    run.setAttribute('aria-disabled', String(phase !== 'ready'));
    const focused = document.activeElement;
    if (!running && (focused === pause || focused === step || focused === stop)) {
      run.focus();
    } else if (phase === 'running' && focused === step) {
      pause.focus();
    }
    pause.hidden = !running;
    step.hidden = phase !== 'paused';
    stop.hidden = !running;
    pause.textContent = phase === 'paused' ? 'Go on' : 'Pause';
  });

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (studio.state.phase !== 'ready') {
      return;
    }
    readForm();
    studio.change({ settings: { ...studio.state.settings, prompt: prompt.value.trim() } });
    history.replaceState(null, '', withSettingsIn(location.href, studio.state.settings));
    if (event.submitter === null || event.submitter === run) {
      controller.start();
    }
  });
  pause.addEventListener('click', () => (studio.state.phase === 'paused' ? controller.goOn() : controller.pause()));
  step.addEventListener('click', () => controller.step());
  stop.addEventListener('click', () => controller.stop());
}
