/** The front end for browsers: the session of src/reno behind a form, with the pocket models beside the page. */
import { subfolder } from '../models/checkpoint/files.ts';
import { NO_WEBGPU, openDevice } from '../platform/browser/open_device.ts';
import { adoptTuning } from '../platform/browser/tuning_db.ts';
import { httpFiles } from '../platform/http_files.ts';
import type { IterationRecord } from '../reno/history.ts';
import { duration, renderReport } from '../reno/report.ts';
import { REPORT_STYLE } from '../reno/report_style.ts';
import { Reno } from '../reno/session.ts';
import { readSettings } from '../reno/settings.ts';
import type { Device } from '../tensor/device.ts';
import { at } from '../tensor/types.ts';
import type { PictureName } from './page.ts';
import { drawCurves, offerDownload, page, setState, showLoss, showNotice, showPicture, toUri } from './page.ts';
import { Pause } from './pause.ts';
import { heldOutPrompts, sample } from './prompts.ts';
import { tuneHere } from './tune.ts';

/** The folder beside the page in which `npm run web` and `npm run build` put the weights. */
const MODEL = 'pocket';
const EXAMPLES = 6;
const STRIP = 8;

const NO_ADAPTER =
  'WebGPU is here, but no graphics adapter that it can use. Turn hardware acceleration on in the browser, or update the graphics driver.';

function adoptReportStyle(): void {
  const style = document.createElement('style');
  style.textContent = REPORT_STYLE;
  document.head.prepend(style);
}

async function open(): Promise<{ device: Device; reno: Reno }> {
  const files = httpFiles(MODEL);
  const device = await openDevice();
  const settings = await readSettings(files);
  if (new URLSearchParams(location.search).get('tune') === '1') {
    await tuneHere(device, files, settings, (done, count) => {
      setState('loading', `Timing kernels on this adapter: ${done} of ${count}`);
    });
    await adoptTuning(device);
  }
  const reno = await Reno.open(device, MODEL, files, settings);
  return { device, reno };
}

/** Runs the session once and shows its progress. */
async function run(reno: Reno, pause: Pause, signal: AbortSignal): Promise<void> {
  const { height, width } = reno.imageSize;
  const nIters = page.iterations.valueAsNumber;
  const prompt = page.prompt.value.trim();
  const records: IterationRecord[] = [];
  let best = 0;
  const config = { rewards: reno.rewards, gradClip: reno.settings.gradClip, noise: { shape: reno.latentShape } };

  page.downloads.hidden = true;
  page.progress.max = nIters;
  page.progress.value = 0;
  setState('running', 'Reading the prompt…');
  const { trajectory, history } = await reno.generate({
    prompt,
    seed: page.seed.valueAsNumber,
    nIters,
    signal,
    beforeIteration: () => pause.pass(),
    wantsFrame: () => true,
    onFrame: ({ pixels }, record, isBest) => {
      records.push(record);
      const shown: PictureName[] = [
        'now',
        ...(isBest ? ['best' as const] : []),
        ...(records.length === 1 ? ['init' as const] : []),
      ];
      for (const name of shown) {
        showPicture(name, pixels, height, width);
        showLoss(name, record);
      }
      best = isBest ? records.length - 1 : best;
      page.progress.value = records.length;
      drawCurves({ config, iterations: records, best });
      if (!pause.paused) {
        setState(
          'running',
          `Iteration ${records.length} of ${nIters}, ${duration(record.seconds / records.length)} each`,
        );
      }
    },
  });

  const bestAt = at(history.iterations, history.best).iteration;
  const every = Math.max(1, Math.ceil(records.length / STRIP));
  const frames = trajectory.frames
    .filter(({ iteration }) => iteration % every === 0 || iteration === bestAt)
    .map(({ iteration, pixels }) => ({ iteration, uri: toUri(pixels, height, width) }));
  const images = {
    init: toUri(trajectory.initImage, height, width),
    best: toUri(trajectory.bestImage, height, width),
    frames,
  };
  const report = renderReport(history, images);
  offerDownload('Save the picture', 'best.png', await (await fetch(images.best)).blob());
  offerDownload('Save the report', 'report.html', new Blob([report], { type: 'text/html' }));
  page.downloads.hidden = false;
  const took = `${records.length} iterations in ${duration(trajectory.seconds)}`;
  setState('ready', trajectory.stopped ? `${took}: ${trajectory.stopped}` : `Done: ${took}`);
}

function bindControls(reno: Reno): void {
  const pause = new Pause();
  let abort = new AbortController();
  page.controls.addEventListener('submit', (event) => {
    event.preventDefault();
    abort = new AbortController();
    pause.open();
    showNotice(null);
    run(reno, pause, abort.signal).catch((error: unknown) => {
      showNotice(sentence(error));
      setState('ready', 'Stopped');
    });
  });
  page.pause.addEventListener('click', () => {
    if (pause.paused) {
      pause.open();
      setState('running', 'Going on…');
    } else {
      pause.close();
      setState('paused', `Paused after ${page.progress.value} iterations`);
    }
  });
  page.stop.addEventListener('click', () => {
    abort.abort();
    pause.open();
  });
}

/** Fills the form from the address (`?prompt=…&seed=…&iterations=…`), so that a run can be linked to. */
function fillForm(prompts: readonly string[], defaultIterations: number): void {
  const query = new URLSearchParams(location.search);
  page.prompt.value = query.get('prompt') ?? prompts.at(-1) ?? 'a photo of a red car';
  page.seed.value = query.get('seed') ?? '0';
  page.iterations.value = query.get('iterations') ?? String(defaultIterations);
  page.examples.hidden = prompts.length === 0;
  page.examples.append(
    ...prompts.map((prompt) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = prompt;
      button.addEventListener('click', () => {
        page.prompt.value = prompt;
        page.prompt.focus();
      });
      return button;
    }),
  );
}

function sentence(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
}

async function main(): Promise<void> {
  adoptReportStyle();
  if (!navigator.gpu) {
    showNotice(sentence(NO_WEBGPU));
    setState('unusable', '');
    return;
  }
  if (!(await navigator.gpu.requestAdapter().catch(() => null))) {
    showNotice(NO_ADAPTER);
    setState('unusable', '');
    return;
  }
  setState('loading', 'Loading the models…');
  const prompts = sample(await heldOutPrompts(subfolder(httpFiles('.'), MODEL)), EXAMPLES);
  const { device, reno } = await open();
  fillForm(prompts, reno.settings.nIters);
  const { vendor, architecture, description } = device.info;
  const storage = device.caps.f16 ? 'f16 native' : 'f16 packed';
  const facts = document.createElement('b');
  facts.textContent = description || [vendor, architecture].filter(Boolean).join(' ') || 'unnamed adapter';
  page.adapter.replaceChildren(facts, `${storage} · models ready in ${reno.loadSeconds.toFixed(1)} s`);
  bindControls(reno);
  setState('ready', 'Ready');
}

main().catch((error: unknown) => {
  showNotice(sentence(error));
  setState('unusable', '');
});
