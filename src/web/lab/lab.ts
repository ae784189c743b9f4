/** The laboratory: look at any iteration, compare it with the first, take the run with you, and question it. It loads after the first minute. */

import { mountAscents } from '../ascents/ascents.ts';
import { element } from '../elements.ts';
import { mountLanes } from '../lanes/lanes.ts';
import type { RunController } from '../run/run_controller.ts';
import type { Studio } from '../state/studio_state.ts';
import type { Sights } from '../verdict/sights.ts';
import { mountComparison } from './comparison.ts';
import { mountCursor } from './cursor.ts';
import { mountExports } from './exports.ts';
import { mountGallery } from './gallery.ts';
import { mountImport } from './import_latents.ts';
import { mountLevers } from './levers_panel.ts';
import { mountNoise } from './noise_view.ts';
import { mountTransport } from './transport.ts';

export function mountLab(studio: Studio, controller: RunController, sights: Sights): void {
  const section = element('lab', HTMLElement);
  studio.watch(['run'], ({ run }) => {
    section.hidden = (run?.frames.length ?? 0) < 2;
  });
  mountTransport(studio);
  mountCursor(studio);
  mountComparison(studio);
  mountLevers(studio, controller);
  mountImport(studio, controller);
  mountNoise(studio, controller);
  mountGallery(studio);
  mountExports(studio);
  mountLanes(studio, controller, sights);
  mountAscents(studio, sights);
}
