/** The page's head: on what the run is computed. */
import { element } from '../elements.ts';
import type { Studio } from '../state/studio_state.ts';
import { adapterName } from '../words.ts';

export function mountHeader(studio: Studio): void {
  const adapter = element('adapter', HTMLParagraphElement);
  const where = element('where', HTMLSpanElement);
  studio.watch(['engine'], ({ engine }) => {
    if (!engine) {
      return;
    }
    const name = document.createElement('b');
    name.textContent = adapterName(engine.adapter);
    const storage = engine.adapter.f16 ? 'f16 native' : 'f16 packed';
    adapter.replaceChildren(name, `${storage} · models ready in ${engine.loadSeconds.toFixed(1)} s`);
    where.textContent = engine.software ? "on this computer's processor (the browser uses no GPU)" : 'on your GPU';
  });
}
