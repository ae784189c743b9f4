/** Two ways to question a result: best-of-N beside the run at equal work, and the same prompt from several seeds. */
import { element } from '../elements.ts';
import type { RunController } from '../run/run_controller.ts';
import type { Studio } from '../state/studio_state.ts';
import type { Sights } from '../verdict/sights.ts';
import { mountRace } from './race.ts';
import { mountSeeds } from './seeds.ts';

export function mountLanes(studio: Studio, controller: RunController, sights: Sights): void {
  const section = element('lanes', HTMLElement);
  const form = element('controls', HTMLFormElement);
  const race = element('race', HTMLButtonElement);
  const seeds = element('seeds', HTMLButtonElement);
  const count = element('seeds-count', HTMLSelectElement);
  studio.watch(['settings'], ({ settings }) => {
    race.hidden = settings.method === 'best-of-n'; // It would stand beside itself.
  });
  studio.watch(['engine', 'phase'], ({ engine, phase }) => {
    // The evaluator knows the pocket models' pictures alone, and the second lane holds the networks twice.
    section.hidden = engine?.model !== 'pocket';
    for (const button of [race, seeds]) {
      button.setAttribute('aria-disabled', String(phase !== 'ready'));
    }
  });
  // The form's own listener has read it before.
  form.addEventListener('submit', ({ submitter }) => {
    if (submitter === race) {
      controller.start({ lanes: true });
    } else if (submitter === seeds) {
      controller.start({ seeds: Number(count.value) });
    }
  });
  mountRace(studio, sights);
  mountSeeds(studio, sights);
}
