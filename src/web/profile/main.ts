/** The page that profiles an iteration of the pocket models on the reader's GPU, and shows the report of `reno profile`. */
import { measurePeaks } from '../../kernels/measured_peaks.ts';
import { openDevice } from '../../platform/browser/open_device.ts';
import { packedFiles } from '../../platform/browser/packed_files.ts';
import { profilePage, profileSections } from '../../reno/profile_page/profile_page.ts';
import { Reno } from '../../reno/session.ts';
import { readSettings } from '../../reno/settings/settings.ts';
import type { Device } from '../../tensor/device/device.ts';
import { collectProfile } from '../../tensor/profile/collect_profile.ts';
import type { Profile } from '../../tensor/profile/profile.ts';
import { profileCsv } from '../../tensor/profile/profile_csv.ts';
import { traceOf } from '../../tensor/profile/trace_events.ts';
import { element, linked } from '../elements.ts';
import { NO_ADAPTER, NO_WEBGPU } from '../unusable.ts';
import { errorSentence } from '../words.ts';

const MODEL = 'pocket';
const PROMPT = 'a photo of a red cat and a blue car';
/** As many runs as a comparison needs; `?runs=1` in the address is quicker. */
const RUNS = 5;

const page = {
  notice: element('notice', HTMLDivElement),
  controls: element('controls', HTMLFormElement),
  profile: element('profile', HTMLButtonElement),
  status: element('status', HTMLParagraphElement),
  files: element('files', HTMLParagraphElement),
  report: element('report', HTMLDivElement),
};

/** The state of the page, which the browser test reads from the root element. */
type State = 'loading' | 'ready' | 'running' | 'unusable';

function setState(state: State, status: string): void {
  document.documentElement.dataset.state = state;
  page.profile.disabled = state !== 'ready';
  page.status.textContent = status;
}

function showNotice(text: string | null): void {
  page.notice.hidden = text === null;
  page.notice.textContent = text ?? '';
}

async function open(): Promise<{ readonly device: Device; readonly reno: Reno }> {
  const files = await packedFiles(linked('reno-models'), (_, done, total) =>
    setState('loading', `Loading the models: ${Math.round((100 * done) / total)} %`),
  );
  const device = await openDevice();
  const reno = await Reno.open(device, MODEL, files, await readSettings(files));
  files.release();
  return { device, reno };
}

function wantedRuns(): number {
  const runs = Number(new URLSearchParams(location.search).get('runs') ?? RUNS);
  return Number.isInteger(runs) && runs >= 1 ? runs : RUNS;
}

async function profile(device: Device, reno: Reno): Promise<void> {
  await reno.generate({ prompt: PROMPT, seed: 0, nIters: 1 });
  const peaks = await measurePeaks(device);
  const { width, height } = reno.imageSize;
  const made = await collectProfile(device, reno.plan, {
    runs: wantedRuns(),
    peaks,
    tool: 'reno-webgpu in a browser',
    subject: `${MODEL}, ${width}x${height}, ${reno.settings.dtype}`,
    date: new Date().toISOString(),
    onRun: (done, runs) => setState('running', `Run ${done} of ${runs}`),
  });
  await show(made);
}

async function show(made: Profile): Promise<void> {
  // The page's policy forbids style attributes in HTML; those that a script sets are allowed.
  page.report.innerHTML = profileSections(made).replaceAll(' style="', ' data-style="');
  for (const block of page.report.querySelectorAll<HTMLElement>('[data-style]')) {
    block.style.cssText = block.dataset.style ?? '';
  }
  for (const link of page.files.querySelectorAll('a')) {
    URL.revokeObjectURL(link.href);
  }
  page.files.replaceChildren(
    ...[
      ['profile.html', 'text/html', profilePage(made)],
      ['trace.json', 'application/json', traceOf(made)],
      ['profile.csv', 'text/csv', profileCsv(made)],
      ['profile.json', 'application/json', JSON.stringify(made)],
    ].map(([name = '', type = '', text = '']) => {
      const link = document.createElement('a');
      link.href = URL.createObjectURL(new Blob([text], { type }));
      link.download = name;
      link.textContent = name;
      return link;
    }),
  );
  const { bindProfile } = await import('profile-script');
  bindProfile();
}

async function main(): Promise<void> {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  if (!adapter) {
    showNotice(navigator.gpu ? NO_ADAPTER : NO_WEBGPU);
    setState('unusable', '');
    return;
  }
  const { device, reno } = await open();
  const again = (): void => {
    setState('running', 'Measuring the peaks of this adapter…');
    showNotice(null);
    profile(device, reno).then(
      () => setState('ready', 'Done'),
      (error: unknown) => {
        showNotice(errorSentence(error));
        setState('ready', 'Stopped');
      },
    );
  };
  page.controls.addEventListener('submit', (event) => {
    event.preventDefault();
    again();
  });
  setState('ready', 'Ready');
}

main().catch((error: unknown) => {
  showNotice(errorSentence(error));
  setState('unusable', '');
});
