/** The prompt builder: a caption of the pocket models from a few lists, in step with the free text. */
import { NUMBER_WORDS, parseScene, type SceneWords, sceneCaption } from '../../reno/scene/grammar.ts';
import { RELATIONS, type ScenePrompt } from '../../reno/scene/verdict.ts';
import { element } from '../elements.ts';
import type { Studio } from '../state/studio_state.ts';

const ANY = '';
const ALONE = '';

export function mountPromptBuilder(studio: Studio, words: SceneWords): void {
  const form = element('builder', HTMLFieldSetElement);
  const select = (id: string, options: readonly (readonly [value: string, label: string])[]): HTMLSelectElement => {
    const made = element(id, HTMLSelectElement);
    made.replaceChildren(...options.map(([value, label]) => new Option(label, value)));
    return made;
  };
  const same = (list: readonly string[]): [string, string][] => list.map((word) => [word, word]);
  const colours = [[ANY, 'any colour'] as const, ...same(words.colours)];
  const numbers = Object.entries(NUMBER_WORDS);
  const count = select('builder-count', [['1', 'one'], ...numbers]);
  const colour = select('builder-colour', colours);
  const object = select('builder-object', same(words.objects));
  const joint = select('builder-joint', [[ALONE, 'alone'], ...same(['and', ...RELATIONS])]);
  const colour2 = select('builder-colour-2', colours);
  const object2 = select('builder-object-2', same(words.objects));
  const second = element('builder-second', HTMLSpanElement);

  const read = (): ScenePrompt => {
    const first = { name: object.value, color: colour.value || null, count: Number(count.value) };
    const other = { name: object2.value, color: colour2.value || null, count: 1 };
    const rel = RELATIONS.find((relation) => relation === joint.value);
    return joint.value === ALONE
      ? { objects: [first], relation: null }
      : { objects: [first, other], relation: rel ? { a: 0, rel, b: 1 } : null };
  };
  const write = ({ objects, relation }: ScenePrompt): void => {
    const [first, other] = objects;
    count.value = String(first?.count ?? 1);
    colour.value = first?.color ?? ANY;
    object.value = first?.name ?? object.value;
    joint.value = relation?.rel ?? (other ? 'and' : ALONE);
    colour2.value = other?.color ?? ANY;
    object2.value = other?.name ?? object2.value;
  };
  const settle = (): void => {
    second.hidden = joint.value === ALONE;
    // An object is no neighbour of its own kind: "a cat left of a cat" has no answer.
    for (const option of object2.options) {
      option.disabled = option.value === object.value;
    }
    if (object2.value === object.value) {
      object2.value = words.objects.find((name) => name !== object.value) ?? '';
    }
  };

  form.addEventListener('input', (event) => {
    event.stopPropagation(); // The form around it would read the prompt, which is older than this choice.
    settle();
    const { settings } = studio.state;
    studio.change({ settings: { ...settings, prompt: sceneCaption(read()) } });
  });
  studio.watch(['settings', 'engine'], ({ settings, engine }) => {
    form.hidden = engine !== null && engine.model !== 'pocket';
    const scene = parseScene(settings.prompt, words);
    form.classList.toggle('is-free', scene === null);
    if (scene && scene.objects.length <= 2 && (scene.objects[1]?.count ?? 1) === 1) {
      write(scene);
      settle();
    }
  });
}
