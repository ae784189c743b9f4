/** The gallery of finished runs: what was made here stays in this browser until it is deleted. */
import { sentenceOf } from '../../platform/sentence_of.ts';
import { short } from '../../reno/report/chart.ts';
import { METHOD_TEXTS } from '../../reno/settings/explanations.ts';
import { button, element } from '../elements.ts';
import { framePng } from '../share/draw_frame.ts';
import { type ShownFrame, type ShownRun, type Studio, withMethodOf } from '../state/studio_state.ts';
import { adapterName } from '../words.ts';
import { deletePicture, type Kept, keepPicture, keptPictures } from './gallery_store.ts';

export function mountGallery(studio: Studio): void {
  const section = element('gallery', HTMLElement);
  const list = element('gallery-list', HTMLUListElement);
  let addresses: string[] = [];
  /** The first pictures of runs that are kept; a run that was restored has been kept before, and a run of a row is shown again. */
  const kept = new WeakSet<ShownFrame>();
  const first = studio.state.run?.outcome && studio.state.run.frames[0];
  if (first) {
    kept.add(first);
  }

  const show = async (): Promise<void> => {
    const pictures = await keptPictures();
    for (const address of addresses.splice(0)) {
      URL.revokeObjectURL(address);
    }
    const picture = (blob: Blob, alt: string): HTMLImageElement => {
      const image = document.createElement('img');
      image.src = URL.createObjectURL(blob);
      image.alt = alt;
      addresses = [...addresses, image.src];
      return image;
    };
    section.hidden = pictures.length === 0;
    list.replaceChildren(...pictures.map((one) => item(one, picture, studio, show)));
  };
  element('gallery-clear', HTMLButtonElement).addEventListener('click', () => void deletePicture(null).then(show));
  studio.watch(['run'], ({ run }) => {
    const before = run?.frames[0];
    if (run?.source === 'live' && run.outcome && before && !kept.has(before)) {
      kept.add(before);
      void keep(run, studio).then(show, quietly);
    }
  });
  void show().catch(quietly);
}

/** A browser without room, or in a private window, keeps nothing; the page works as before. */
function quietly(error: unknown): void {
  console.info(`The gallery is not kept: ${sentenceOf(error)}`);
}

async function keep(run: ShownRun, studio: Studio): Promise<void> {
  const [first, best] = [run.frames[0], run.frames[run.best]];
  const adapter = studio.state.engine?.adapter;
  if (!first || !best) {
    return;
  }
  await keepPicture({
    settings: run.settings,
    before: await framePng(first, run.size, 1),
    best: await framePng(best, run.size, 1),
    losses: { before: first.record.total, best: best.record.total },
    adapter: adapter ? adapterName(adapter) : '',
    made: new Date().toISOString(),
  });
}

function item(
  { id, settings: kept, before, best, losses, adapter, made }: Kept,
  picture: (blob: Blob, alt: string) => HTMLImageElement,
  studio: Studio,
  changed: () => Promise<void>,
): HTMLLIElement {
  const settings = withMethodOf(kept);
  const entry = document.createElement('li');
  const again = button('', () => studio.change({ settings }));
  again.className = 'again';
  again.title = `Take its prompt, seed, iterations and method. Made ${made.slice(0, 10)} on ${adapter}`;
  const words = document.createElement('span');
  const how = settings.method === 'reno' ? '' : `, ${METHOD_TEXTS[settings.method].label}`;
  words.textContent = `${settings.prompt.replace(/^a photo of /, '')}, seed ${settings.seed}${how}: ${short(losses.before)} → ${short(losses.best)}`;
  again.append(picture(before, 'before'), picture(best, 'best'), words);
  const remove = button('Delete', () => void deletePicture(id).then(changed));
  remove.setAttribute('aria-label', `Delete ${settings.prompt}, seed ${settings.seed}`);
  entry.append(again, remove);
  return entry;
}
