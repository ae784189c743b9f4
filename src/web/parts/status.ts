/** Shows what happens now: a line and a bar for the eye, fewer words for screen readers, and sentences that need attention. */
import { button, element } from '../elements.ts';
import { STOPPING } from '../run/run_controller.ts';
import { lengthOf, lengthWords } from '../run/run_length.ts';
import type { Phase, Studio, StudioState } from '../state/studio_state.ts';

export function mountStatus(studio: Studio): void {
  const line = element('status', HTMLParagraphElement);
  const progress = element('progress', HTMLProgressElement);
  studio.watch(['status'], ({ status }) => {
    line.textContent = status;
  });
  studio.watch(['phase'], ({ phase }) => {
    document.documentElement.dataset.state = phase;
  });
  studio.watch(['run', 'loading', 'phase'], ({ run, loading, phase }) => {
    const [value, max] =
      phase === 'loading' && run?.source !== 'live'
        ? [loading?.done ?? 0, loading?.total ?? 1]
        : [run?.frames.length ?? 0, run ? lengthOf(run.settings) : 1];
    progress.max = max;
    progress.value = value;
    progress.setAttribute('aria-label', phase === 'loading' ? 'Bytes loaded' : 'Iterations done');
  });
  mountNotice(studio);
  mountAnnouncements(studio);
}

function mountNotice(studio: Studio): void {
  const box = element('notice', HTMLDivElement);
  studio.watch(['notice'], ({ notice }) => {
    box.hidden = notice === null;
    box.replaceChildren(notice?.text ?? '');
    if (notice?.action) {
      box.append(button(notice.action.label, notice.action.run));
    }
  });
}

/** Tells a screen reader the turns of a run, not its iterations. */
function mountAnnouncements(studio: Studio): void {
  const region = element('announcement', HTMLParagraphElement);
  let last: Phase | null = null;
  studio.watch(['phase'], (state) => {
    if (state.phase !== last) {
      region.textContent = announcement(last, state);
      last = state.phase;
    }
  });
}

function announcement(before: Phase | null, { phase, run, status }: StudioState): string {
  switch (phase) {
    case 'loading':
      return 'The models are loading.';
    case 'running':
      if (status === STOPPING) {
        return '';
      }
      return (run?.frames.length ?? 0) > 0 || before === 'paused'
        ? 'The run goes on.'
        : `The run has started: ${run ? lengthWords(run.settings) : ''}.`;
    case 'paused':
      return status;
    case 'ready':
      return before === 'loading' ? 'The page is ready.' : status;
    case 'unusable':
      return '';
  }
}
