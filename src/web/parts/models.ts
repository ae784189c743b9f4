/** Opens the panel of models when somebody asks for it. */
import { sentenceOf } from '../../platform/sentence_of.ts';
import { element } from '../elements.ts';
import type { ModelPanel } from '../models/model_panel.ts';
import type { RunController } from '../run/run_controller.ts';
import type { Studio } from '../state/studio_state.ts';

/** @returns a function that opens the panel */
export function mountModels(studio: Studio, controller: RunController): () => Promise<ModelPanel> {
  const details = element('models', HTMLDetailsElement);
  let panel: Promise<ModelPanel> | null = null;
  const open = (): Promise<ModelPanel> => {
    details.open = true;
    panel ??= import('../later.ts').then(async ({ ModelPanel }) => {
      const made = new ModelPanel(studio, controller);
      await made.fill();
      return made;
    });
    panel.catch((error: unknown) => {
      panel = null;
      studio.change({
        notice: {
          text: `The list of models cannot be shown: ${sentenceOf(error)}.`,
        },
      });
    });
    return panel;
  };
  details.addEventListener('toggle', () => {
    if (details.open) {
      void open();
    }
  });
  return open;
}
