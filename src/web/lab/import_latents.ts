/** Goes on from noise that was saved: here, or by `reno generate`. */
import { METHOD_TEXTS } from '../../reno/settings/explanations.ts';
import { element } from '../elements.ts';
import type { RunController } from '../run/run_controller.ts';
import type { Studio } from '../state/studio_state.ts';
import { errorSentence } from '../words.ts';
import { readLatents } from './latents_file.ts';

export function mountImport(studio: Studio, controller: RunController): void {
  const input = element('load-latents', HTMLInputElement);
  const said = element('lab-said', HTMLParagraphElement);
  studio.watch(['phase'], ({ phase }) => {
    input.disabled = phase !== 'ready';
  });
  input.addEventListener('change', async () => {
    const file = input.files?.[0];
    const { engine, settings } = studio.state;
    input.value = ''; // The same file can be chosen again.
    if (!file || !engine) {
      return;
    }
    if (settings.method === 'multi-start' || settings.method === 'zeroth-order') {
      said.textContent = `${METHOD_TEXTS[settings.method].label} begins with noises of its own: choose another method above, then the file again.`;
      return;
    }
    try {
      const bytes = new Uint8Array(await file.arrayBuffer());
      const latents = await readLatents(file.name, bytes, engine.charted.noise.shape);
      said.textContent = `The run starts from the best noise of ${file.name}.`;
      controller.start({ latents });
    } catch (error) {
      said.textContent = errorSentence(error);
    }
  });
}
