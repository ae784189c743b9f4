/** Files that are dropped on the page or chosen: a picture of an earlier run brings its settings back. */
import { element } from '../elements.ts';
import { folderOfDrop } from '../models/dropped_folder.ts';
import type { ModelPanel } from '../models/model_panel.ts';
import { recipeOf } from '../share/recipe.ts';
import type { Studio } from '../state/studio_state.ts';
import { adapterName, errorSentence } from '../words.ts';

/** @param openModels shows the panel of models, which takes folders */
export function mountDroppedFiles(studio: Studio, openModels: () => Promise<ModelPanel>): void {
  const chooser = element('restore', HTMLInputElement);
  const take = (file: File | undefined): void => {
    if (file) {
      restore(studio, file).catch((error: unknown) => {
        studio.change({ notice: { text: errorSentence(error) } });
      });
    }
  };
  element('restore-button', HTMLButtonElement).addEventListener('click', () => chooser.click());
  chooser.addEventListener('change', () => {
    take(chooser.files?.[0]);
    chooser.value = '';
  });
  addEventListener('dragover', (event) => event.preventDefault());
  addEventListener('drop', (event) => {
    event.preventDefault();
    const data = event.dataTransfer;
    const file = data?.files[0];
    if (data) {
      void folderOfDrop(data).then(async (folder) => (folder ? (await openModels()).choose(folder) : take(file)));
    }
  });
}

async function restore(studio: Studio, file: File): Promise<void> {
  const { settings, adapter } = recipeOf(file.name, new Uint8Array(await file.arrayBuffer()));
  const { engine } = studio.state;
  const here = engine && adapterName(engine.adapter);
  const text =
    !here || here === adapter
      ? `The settings of ${file.name} are in the form: press Run to make it again.`
      : `The settings of ${file.name} are in the form. It was made on ${adapter} and this is ${here}, so the same settings may give slightly different bytes.`;
  studio.change({ settings, typed: true, notice: { text } });
}
