/** Prompts to try: each was measured to begin with a wrong picture and to end with a right one. */
import type { Example } from '../../reno/scene/examples.ts';
import { element } from '../elements.ts';
import type { Studio } from '../state/studio_state.ts';

const SHOWN = 6;

export function mountExamples(studio: Studio, examples: readonly Example[]): void {
  const list = element('examples', HTMLFieldSetElement);
  list.append(
    ...examples.slice(0, SHOWN).map(({ prompt, seed }) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = prompt.replace(/^a photo of /, '');
      button.title = `${prompt}, seed ${seed}`;
      button.addEventListener('click', () => {
        studio.change({ settings: { ...studio.state.settings, prompt, seed } });
      });
      return button;
    }),
  );
  list.hidden = examples.length === 0;
}
