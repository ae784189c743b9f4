/** The elements of kernels.html, and the functions that write results into them. */
import { type CompilerError, type EditedBesideOriginal, showCompilerError } from '../../kernels/check/edited_kernel.ts';
import type { MeasuredKernel } from '../../kernels/check/measured_kernel.ts';
import { button, element } from '../elements.ts';

export const page = {
  adapter: element('adapter', HTMLParagraphElement),
  notice: element('notice', HTMLDivElement),
  form: element('editor', HTMLFormElement),
  op: element('op', HTMLSelectElement),
  variant: element('variant', HTMLSelectElement),
  case: element('case', HTMLSelectElement),
  shapes: element('shapes', HTMLInputElement),
  dispatch: element('dispatch', HTMLSelectElement),
  workgroups: element('workgroups', HTMLInputElement),
  about: element('about', HTMLParagraphElement),
  lines: element('lines', HTMLPreElement),
  wgsl: element('wgsl', HTMLTextAreaElement),
  original: element('original', HTMLButtonElement),
  run: element('run', HTMLButtonElement),
  outcome: element('outcome', HTMLElement),
  verdict: element('verdict', HTMLParagraphElement),
  errors: element('errors', HTMLDivElement),
  figures: element('figures', HTMLTableElement),
  rows: element('rows', HTMLTableSectionElement),
  command: element('command', HTMLPreElement),
};

/** The state of the page, which style.css and the browser test read from the root element. */
type State = 'loading' | 'ready' | 'invalid' | 'running' | 'unusable';

export function setState(state: State): void {
  document.documentElement.dataset.state = state;
  page.run.disabled = state !== 'ready';
  page.run.textContent = state === 'running' ? 'Running…' : 'Run';
}

export function showNotice(sentence: string | null): void {
  page.notice.hidden = sentence === null;
  page.notice.textContent = sentence ?? '';
}

/** Fills a list with options. @param chosen the value that is selected, if it is among them */
export function fillSelect(
  select: HTMLSelectElement,
  options: readonly (readonly [value: string, label: string])[],
  chosen: string | null,
): void {
  select.replaceChildren(...options.map(([value, label]) => new Option(label, value, false, value === chosen)));
}

/** Writes the numbers of the text's lines beside it. */
export function numberLines(): void {
  const count = page.wgsl.value.split('\n').length;
  page.lines.textContent = Array.from({ length: count }, (_, i) => i + 1).join('\n');
  page.lines.scrollTop = page.wgsl.scrollTop;
}

function showVerdict(right: boolean, sentence: string): void {
  page.outcome.hidden = false;
  page.outcome.dataset.right = String(right);
  page.verdict.textContent = sentence;
}

/** Shows the compiler's errors, each with a button that puts the cursor at its place. */
export function showErrors(errors: readonly CompilerError[]): void {
  showVerdict(false, errors.length === 1 ? 'It does not compile' : `It does not compile: ${errors.length} errors`);
  page.figures.hidden = true;
  page.errors.replaceChildren(
    ...errors.flatMap((error) => {
      const text = document.createElement('pre');
      text.textContent = showCompilerError('kernel.wgsl', error);
      text.className = 'mono';
      text.tabIndex = 0;
      return error.line > 0 ? [text, button(`Go to line ${error.line}`, () => selectPlace(error))] : [text];
    }),
  );
}

/** Puts the cursor at the place of an error. */
function selectPlace({ line, column }: CompilerError): void {
  const before = page.wgsl.value.split('\n').slice(0, line - 1);
  const start = before.reduce((n, text) => n + text.length + 1, 0) + column - 1;
  page.wgsl.focus();
  page.wgsl.setSelectionRange(start, start + 1);
  const height = page.wgsl.scrollHeight / page.wgsl.value.split('\n').length;
  page.wgsl.scrollTop = Math.max(0, (line - 6) * height);
}

const figure = (value: number): string =>
  Math.abs(value) >= 100 ? value.toFixed(0) : Number(value.toPrecision(3)).toString();

/** Shows the error and the speed of a kernel beside the original's. */
export function showMeasured({ original, edited }: EditedBesideOriginal): void {
  const ratio = original.ms / edited.ms;
  const wrong = edited.errors.findIndex(({ nmse }) => !(nmse <= edited.bound));
  const worst = edited.errors[wrong];
  showVerdict(
    edited.right,
    worst
      ? `Wrong: the largest error of output ${wrong} is at [${worst.place.join(', ')}], ${worst.actual} in place of ${worst.expected}`
      : `Right, ${ratio.toFixed(2)} × the speed of the original`,
  );
  page.errors.replaceChildren();
  page.figures.hidden = false;
  page.rows.replaceChildren(rowOf('the original', original), rowOf('yours', edited));
}

function rowOf(name: string, { right, errors, bound, ms, gflops, gigabytesPerSecond }: MeasuredKernel): HTMLElement {
  const row = document.createElement('tr');
  const head = document.createElement('th');
  head.scope = 'row';
  head.textContent = name;
  const largest = errors.reduce((most, { nmse }) => (nmse > most || Number.isNaN(nmse) ? nmse : most), 0);
  const cells = [
    right ? 'right' : 'wrong',
    `${largest.toPrecision(2)} of ${bound} allowed`,
    `${figure(ms)} ms`,
    figure(gflops),
    figure(gigabytesPerSecond),
  ].map((text) => {
    const cell = document.createElement('td');
    cell.textContent = text;
    return cell;
  });
  row.append(head, ...cells);
  return row;
}
