/** Prompts to try: each was measured to begin with a wrong picture and to end with a right one. */
import type { Example } from '../../reno/scene/examples.ts';
import { button, element } from '../elements.ts';
import type { Studio } from '../state/studio_state.ts';

const SHOWN = 6;

export function mountExamples(studio: Studio, examples: readonly Example[]): void {
  const list = element('examples', HTMLFieldSetElement);
  list.append(
    ...examples.slice(0, SHOWN).map(({ prompt, seed }) => {
      const example = button(prompt.replace(/^a photo of /, ''), () =>
        studio.change({ settings: { ...studio.state.settings, prompt, seed } }),
      );
      example.title = `${prompt}, seed ${seed}`;
      return example;
    }),
  );
  list.hidden = examples.length === 0;
}
