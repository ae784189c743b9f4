/** The page: its state, the engine's worker, and the parts that show the state. */
import { sentenceOf } from '../platform/sentence_of.ts';
import { linked } from './elements.ts';
import { keepOffline } from './offline/keep_offline.ts';
import { mountControls } from './parts/controls.ts';
import { mountCurves } from './parts/curves.ts';
import { mountDownloads } from './parts/downloads.ts';
import { mountDroppedFiles } from './parts/dropped_files.ts';
import { mountHeader } from './parts/header.ts';
import { mountModels } from './parts/models.ts';
import { mountPictures } from './parts/pictures.ts';
import { mountStatus } from './parts/status.ts';
import { mountPrompt } from './prompt/prompt.ts';
import { playFirstMinute } from './recorded/first_minute.ts';
import { RunController } from './run/run_controller.ts';
import { FIRST_SETTINGS, namesRun, settingsOf } from './share/address.ts';
import { openStudio } from './state/studio_state.ts';
import { NO_ADAPTER, NO_WEBGPU } from './unusable.ts';
import { cardWords } from './verdict/card_words.ts';
import { Sights } from './verdict/sights.ts';
import { mountVerdicts } from './verdict/verdicts.ts';

const query = new URLSearchParams(location.search);
const studio = openStudio(settingsOf(query, FIRST_SETTINGS));
const controller = new RunController(
  studio,
  { script: linked('reno-engine'), models: linked('reno-models') },
  { tune: query.get('tune') === '1' },
);
mountStatus(studio);
mountHeader(studio);
mountControls(studio, controller);
mountPictures(studio);
mountCurves(studio);
mountDroppedFiles(studio, mountModels(studio, controller));
const sights = new Sights((picture) => controller.engine.look(picture));
mountVerdicts(studio, sights);
mountDownloads(studio, (run) => cardWords(sights, run));

const restored = controller.restore(namesRun(query) ? studio.state.settings : null);
restored
  .catch(() => {})
  .then(() => playFirstMinute(studio, sights, { plays: !query.has('prompt') && studio.state.run === null }))
  .then(
    (recorded) => {
      mountPrompt(studio, recorded);
      void import('./later.ts').then(({ mountLab }) => mountLab(studio, controller, sights));
    },
    (error: unknown) => console.info(`The recorded run is not shown: ${sentenceOf(error)}`),
  );
if (!navigator.gpu) {
  studio.change({ phase: 'unusable', notice: { text: NO_WEBGPU } });
} else if (!(await navigator.gpu.requestAdapter().catch(() => null))) {
  studio.change({ phase: 'unusable', notice: { text: NO_ADAPTER } });
} else {
  controller.engine.load();
}
void keepOffline();
