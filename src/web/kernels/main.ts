/** The page on which a reader changes a kernel's WGSL, and sees at once whether it is right and how fast it is. */
import {
  type ChosenKernel,
  describeCase,
  KernelWishError,
  parseWorkgroups,
} from '../../kernels/check/chosen_kernel.ts';
import { measureEdited, wgslOfDispatch } from '../../kernels/check/edited_kernel.ts';
import { type Expected, expectedOutputs, plannedSteps, type Timing } from '../../kernels/check/measured_kernel.ts';
import { openDevice } from '../../platform/browser/open_device.ts';
import type { Device } from '../../tensor/device/device.ts';
import { at } from '../../tensor/types.ts';
import { awaitDevice } from '../engine/await_device.ts';
import { NO_ADAPTER, NO_WEBGPU } from '../unusable.ts';
import { adapterName, errorSentence } from '../words.ts';
import { commandFor, fillCases, fillOps, fillVariants, selectedKernel } from './choices.ts';
import { fillSelect, numberLines, page, setState, showErrors, showMeasured, showNotice } from './page.ts';

/** The kernel that the page begins with, at shapes where its speed says something. */
const FIRST = { op: 'matmul', variant: 'gpu_tile', shapes: '128x128,128x128' };
/** Browsers round GPU timestamps to 100 µs, longer than most of these kernels. */
const TIMING: Timing = { runs: 15, clock: 'wall' };

/** The kernel on the page. */
interface Chosen {
  readonly kernel: ChosenKernel;
  /** Its right outputs, once they were needed. */
  expected?: Expected;
}

let device: Device;
let chosen: Chosen | null = null;

/** Takes the kernel that the form asks for, and shows its WGSL. */
function choose(): void {
  page.outcome.hidden = true;
  showNotice(null);
  try {
    const kernel = selectedKernel(device.caps);
    const steps = plannedSteps(device, kernel);
    chosen = { kernel };
    fillSelect(
      page.dispatch,
      steps.map(({ dispatch }, i) => [String(i), `${i}: ${dispatch.label}`]),
      '0',
    );
    showOriginal();
  } catch (error) {
    chosen = null;
    page.wgsl.value = '';
    numberLines();
    showNotice(errorSentence(error));
  }
  setState(chosen ? 'ready' : 'invalid');
}

/** Shows the WGSL of the chosen dispatch as it is in the project. */
function showOriginal(): void {
  if (!chosen) {
    return;
  }
  const { kernel } = chosen;
  const number = Number(page.dispatch.value);
  const { dispatch } = at(plannedSteps(device, kernel), number);
  const { flops, bytes } = kernel.op.cost(kernel.site);
  page.wgsl.value = wgslOfDispatch(device, kernel, number);
  page.workgroups.value = dispatch.workgroups.join('x');
  page.about.textContent = `${describeCase(kernel.case)}: ${flops} operations, ${bytes} bytes if every operand crosses memory once`;
  page.command.textContent = commandFor(kernel);
  page.outcome.hidden = true;
  numberLines();
}

/** Compares the text's kernel with the reference, and times it and the original. */
async function run(kept: Chosen): Promise<void> {
  const { kernel } = kept;
  const edit = {
    wgsl: page.wgsl.value,
    dispatch: Number(page.dispatch.value),
    workgroups: parseWorkgroups(page.workgroups.value.trim()),
  };
  if (edit.wgsl.trim() === '') {
    throw new KernelWishError('there is no WGSL: "Back to the original" brings it back');
  }
  kept.expected ??= await expectedOutputs(device, kernel);
  const both = await measureEdited(device, kernel, kept.expected, edit, TIMING);
  if ('edited' in both) {
    showMeasured(both);
  } else {
    showErrors(both);
  }
}

async function press(): Promise<void> {
  if (!chosen || document.documentElement.dataset.state !== 'ready') {
    return;
  }
  setState('running');
  showNotice(null);
  await painted();
  try {
    await run(chosen);
  } catch (error) {
    page.outcome.hidden = true;
    showNotice(errorSentence(error));
    await reopenWhereLost();
  }
  setState('ready');
}

/** A kernel may hang the GPU, or ask for what the device refuses: a device that failed is replaced. */
async function reopenWhereLost(): Promise<void> {
  try {
    device.assertHealthy();
  } catch {
    device.destroy();
    device = await awaitDevice();
  }
}

/** Resolves when the page has been drawn. */
const painted = (): Promise<void> =>
  new Promise((resolve) => {
    requestAnimationFrame(() => setTimeout(resolve));
  });

function bindControls(): void {
  page.op.addEventListener('change', () => {
    page.shapes.value = '';
    fillVariants(device.caps);
    fillCases(device.caps);
    choose();
  });
  page.variant.addEventListener('change', () => {
    fillCases(device.caps, page.case.value);
    choose();
  });
  page.case.addEventListener('change', () => {
    page.shapes.value = '';
    choose();
  });
  page.shapes.addEventListener('change', choose);
  page.dispatch.addEventListener('change', showOriginal);
  page.original.addEventListener('click', showOriginal);
  page.wgsl.addEventListener('input', numberLines);
  page.wgsl.addEventListener('scroll', () => {
    page.lines.scrollTop = page.wgsl.scrollTop;
  });
  page.wgsl.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      page.form.requestSubmit();
    }
  });
  page.form.addEventListener('submit', (event) => {
    event.preventDefault();
    void press();
  });
}

/** Chooses what the address asks for: `?op=…&variant=…&case=…&shapes=…`. */
function fillForm(): void {
  const query = new URLSearchParams(location.search);
  const first = query.has('op') ? null : FIRST;
  fillOps(device.caps, query.get('op') ?? FIRST.op);
  fillVariants(device.caps, first?.variant ?? query.get('variant'));
  fillCases(device.caps, query.get('case'));
  page.shapes.value = first?.shapes ?? query.get('shapes') ?? '';
}

async function main(): Promise<void> {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  if (!adapter) {
    showNotice(navigator.gpu ? NO_ADAPTER : NO_WEBGPU);
    setState('unusable');
    return;
  }
  device = await openDevice();
  page.adapter.textContent = adapterName(device.info);
  fillForm();
  bindControls();
  choose();
}

main().catch((error: unknown) => {
  showNotice(errorSentence(error));
  setState('unusable');
});
