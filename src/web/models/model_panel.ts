/** The panel in which another model is chosen, planned, downloaded and deleted. It is filled when it is first opened. */
import { deleteStored, storedModels } from '../../platform/browser/file_store.ts';
import { button, element, linked } from '../elements.ts';
import type { RunController } from '../run/run_controller.ts';
import type { Studio } from '../state/studio_state.ts';
import { counted, errorSentence, sentence } from '../words.ts';
import { type ChosenFolder, folderOfInput } from './dropped_folder.ts';
import type { ModelChoices, ModelPlan, ModelSource, PublishedList } from './model_source.ts';

const POCKET = 'pocket';
const FOLDER = 'folder';
const OTHER = 'other';
const GB = 1e9;

const inGB = (bytes: number): string =>
  bytes < GB / 10 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / GB).toFixed(2)} GB`;

export class ModelPanel {
  readonly #studio: Studio;
  readonly #controller: RunController;
  readonly #choice = element('model', HTMLSelectElement);
  readonly #repo = element('model-repo', HTMLInputElement);
  readonly #folder = element('model-folder', HTMLInputElement);
  readonly #budget = element('model-budget', HTMLSelectElement);
  readonly #eightBits = element('model-8-bits', HTMLInputElement);
  readonly #rewards = element('model-rewards', HTMLFieldSetElement);
  readonly #answer = element('model-plan', HTMLDivElement);
  readonly #load = element('model-load', HTMLButtonElement);
  #chosen: ChosenFolder | null = null;
  /** Whether this panel has asked for another model than the page's own. */
  #loads = false;

  constructor(studio: Studio, controller: RunController) {
    this.#studio = studio;
    this.#controller = controller;
    element('model-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#plan();
    });
    element('model-form', HTMLFormElement).addEventListener('input', () => this.#changed());
    element('model-folder-button', HTMLButtonElement).addEventListener('click', () => this.#folder.click());
    this.#choice.addEventListener('change', () => this.#chooseRewards());
    this.#folder.addEventListener('change', () => {
      if (this.#folder.files?.length) {
        this.choose(folderOfInput(this.#folder.files));
      }
    });
    this.#load.addEventListener('click', () => this.#open());
    element('model-stop', HTMLButtonElement).addEventListener('click', () => {
      this.#loads = false;
      this.#controller.engine.load({ kind: 'pocket', list: linked('reno-models') });
    });
    studio.watch(['phase', 'engine'], ({ phase }) => {
      const waits = phase === 'loading' || phase === 'unusable';
      element('model-stop', HTMLButtonElement).hidden = !waits || !this.#loads;
      if (phase === 'ready' || phase === 'unusable') {
        void this.#listStored();
      }
    });
  }

  /** Fills the lists. @throws Error where the list of published models cannot be fetched */
  async fill(): Promise<void> {
    const list: PublishedList = await (await fetch(linked('reno-published'))).json();
    const option = (value: string, text: string): HTMLOptionElement => new Option(text, value);
    this.#choice.replaceChildren(
      option(POCKET, 'the pocket models of this page'),
      ...list.models.map(({ name }) => option(name, `${name} (Hugging Face)`)),
      option(OTHER, 'another repository of Hugging Face'),
      option(FOLDER, 'a folder on this machine'),
    );
    const rewards = [...new Set(list.rewards.map(({ at }) => at.split('/')[0] ?? ''))];
    this.#rewards.append(...rewards.map(rewardBox));
    this.#changed();
    await this.#listStored();
  }

  /** Takes a folder that was chosen or dropped, and plans it. */
  choose(folder: ChosenFolder): void {
    this.#chosen = folder;
    this.#choice.value = FOLDER;
    this.#changed();
    void this.#plan();
  }

  /** The paper's rewards are chosen for a published model; a folder may have its own. */
  #chooseRewards(): void {
    const published = ![POCKET, FOLDER, OTHER].includes(this.#choice.value);
    for (const box of this.#rewards.querySelectorAll('input')) {
      box.checked = published && box.value !== 'aesthetic';
    }
  }

  #changed(): void {
    this.#repo.hidden = this.#choice.value !== OTHER;
    this.#rewards.hidden = this.#choice.value === POCKET;
    this.#load.hidden = true;
    this.#answer.textContent = '';
    element('model-folder-name', HTMLSpanElement).textContent =
      this.#choice.value === FOLDER ? (this.#chosen?.name ?? 'no folder is chosen yet') : '';
  }

  #choices(): ModelChoices {
    const gigabytes = Number(this.#budget.value);
    return { budget: gigabytes > 0 ? gigabytes * GB : null, eightBits: this.#eightBits.checked };
  }

  /** @throws Error, one sentence, where something has to be chosen first */
  #source(): ModelSource {
    const published = linked('reno-published');
    const boxes = [...this.#rewards.querySelectorAll('input')];
    const rewards = boxes.filter((box) => box.checked).map((box) => box.value);
    switch (this.#choice.value) {
      case POCKET:
        return { kind: 'pocket', list: linked('reno-models') };
      case FOLDER:
        if (!this.#chosen) {
          throw new Error('choose a folder first, or drop one on the page');
        }
        return { kind: 'folder', ...this.#chosen, published, rewards };
      case OTHER:
        return { kind: 'hub', name: this.#repo.value.trim(), published, rewards };
      default:
        return { kind: 'hub', name: this.#choice.value, published, rewards };
    }
  }

  async #plan(): Promise<void> {
    this.#answer.textContent = 'Planning: only the headers of the weights are read…';
    this.#load.hidden = true;
    try {
      const plan = await this.#controller.engine.plan(this.#source(), this.#choices());
      this.#answer.replaceChildren(...described(plan, this.#choices()));
      this.#load.hidden = plan.problem !== null;
      this.#load.textContent = missing(plan) > 0 ? `Download ${inGB(missing(plan))} and load` : 'Load it';
    } catch (error) {
      this.#answer.textContent = errorSentence(error);
    }
  }

  #open(): void {
    this.#loads = true;
    void navigator.storage?.persist?.().catch(() => {});
    this.#controller.engine.load(this.#source(), this.#choices());
  }

  /** Shows what is kept, with its size and a button that deletes it. */
  async #listStored(): Promise<void> {
    const list = element('model-stored', HTMLUListElement);
    const models = await storedModels().catch(() => []);
    list.replaceChildren(
      ...models.map(({ name, bytes }) => {
        const item = document.createElement('li');
        const remove = button('Delete', () => {
          deleteStored(name)
            .then(() => this.#listStored())
            .catch((error: unknown) => {
              this.#studio.change({
                notice: { text: errorSentence(error) },
              });
            });
        });
        remove.setAttribute('aria-label', `Delete ${name}`);
        item.append(`${name}: ${inGB(bytes)} `, remove);
        return item;
      }),
    );
    element('model-stored-title', HTMLParagraphElement).hidden = models.length === 0;
  }
}

function rewardBox(name: string): HTMLLabelElement {
  const label = document.createElement('label');
  const box = document.createElement('input');
  box.type = 'checkbox';
  box.value = name;
  label.append(box, ` ${name}`);
  return label;
}

const missing = ({ files }: ModelPlan): number => files.reduce((sum, { bytes, here }) => sum + bytes - here, 0);

/** The plan in sentences, and what to choose where it needs too much. */
function described(plan: ModelPlan, { budget, eightBits }: ModelChoices): HTMLElement[] {
  const line = (text: string): HTMLElement => {
    const made = document.createElement('p');
    made.textContent = text;
    return made;
  };
  const { height, width } = plan.size;
  const advice = eightBits
    ? 'Less is needed with a limit: weights are then brought in as they are used.'
    : 'Less is needed with weights in 8 bits, or with a limit: weights are then brought in as they are used.';
  return [
    line(
      `${plan.name} draws ${width}×${height} pixels with ${plan.rewards.join(', ')}, stored as ${plan.dtype}. It needs ${inGB(plan.peak)} of GPU memory${budget === null ? '' : `, within the ${inGB(budget)} that you allow`}.`,
    ),
    line(
      `An iteration takes ${(plan.flops / 1e12).toPrecision(3)} TFLOP in ${plan.dispatches} dispatches${plan.broughtIn > 0 ? `, and brings in ${inGB(plan.broughtIn)} of weights again` : ''}.`,
    ),
    ...(plan.files.length > 0
      ? [line(`To download: ${inGB(missing(plan))} in ${counted(plan.files.length, 'file')}, kept in this browser.`)]
      : []),
    line(
      plan.problem === null ? `A browser does not tell how much memory the GPU has. ${advice}` : sentence(plan.problem),
    ),
  ];
}
