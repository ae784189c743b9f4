/** The first minute: a recorded run plays at once, and the form holds the same prompt and seed, to be run here. */

import type { RecordedRun } from '../../reno/scene/recorded_run.ts';
import { METHOD_TEXTS } from '../../reno/settings/explanations.ts';
import { element, linked } from '../elements.ts';
import type { Studio } from '../state/studio_state.ts';
import type { Sights } from '../verdict/sights.ts';
import { adapterName } from '../words.ts';
import { Player } from './player.ts';
import { fetchRecordedRun, fetchRecording } from './recording.ts';

/**
 * Plays the recorded run, unless another run is shown. @param plays false where the address names a prompt: it plays only where the page
 * cannot compute
 * @returns its numbers, the evaluator's words and the examples
 */
export async function playFirstMinute(
  studio: Studio,
  sights: Sights,
  { plays }: { plays: boolean },
): Promise<RecordedRun> {
  const untouched = studio.state.settings;
  const run = await fetchRecordedRun(linked('reno-recorded'));
  const whole = await fetchRecording(run, linked('reno-recorded-pictures'));
  for (const [i, frame] of whole.frames.entries()) {
    sights.put(frame, { detections: run.detections[i] ?? [], config: run.evaluator });
  }
  const player = new Player(studio, whole);
  if (plays && studio.state.settings === untouched) {
    studio.change({ settings: whole.settings });
  }
  mountTitle(studio, player, run);
  studio.watch(['phase'], ({ phase, run: shown }) => {
    if (shown === null && (plays || phase === 'unusable')) {
      player.play();
    }
  });
  return run;
}

/** The line above the pictures: whose they are, and for a recording a button that plays it again. */
function mountTitle(studio: Studio, player: Player, { history }: RecordedRun): void {
  const title = element('run-title', HTMLParagraphElement);
  const again = element('replay', HTMLButtonElement);
  again.addEventListener('click', () => player.play());
  const [adapter] = adapterName(history.adapter).split(':');
  studio.watch(['run', 'phase'], ({ run, phase }) => {
    again.hidden = !(run?.source === 'recorded' && run.outcome);
    const name = run ? `“${run.settings.prompt}”, seed ${run.settings.seed}` : '';
    if (run?.source === 'recorded') {
      const next = {
        ready: 'Now on your machine: press Run.',
        loading: 'Your machine gets ready meanwhile.',
        unusable: 'Nothing is computed here.',
        running: '',
        paused: '',
      }[phase];
      title.textContent = `Recorded before, on ${adapter}: ${name}. ${next}`;
    } else {
      const method = run?.settings.method ?? 'reno';
      const how = method === 'reno' ? '' : ` by ${METHOD_TEXTS[method].label}`;
      title.textContent = run ? `${name}, computed on this machine${how}` : '';
    }
  });
}
