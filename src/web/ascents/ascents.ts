/** A search from many noises, live: every noise that is judged, and the ascents from the best of them with pictures and verdicts. */
import { short } from '../../reno/report/chart.ts';
import { multiStartFor } from '../../reno/search/multi_start_size.ts';
import { button, element } from '../elements.ts';
import { drawFrame } from '../share/draw_frame.ts';
import type { ShownRun, Studio } from '../state/studio_state.ts';
import type { Sights } from '../verdict/sights.ts';
import { judgement, writeVerdict } from '../verdict/verdict_line.ts';
import { counted } from '../words.ts';
import { drawAscents } from './ascents_chart.ts';
import { type Ascent, ascentsOf } from './ascents_of.ts';

/** The place of an ascent in the row. */
interface Card {
  readonly item: HTMLLIElement;
  readonly press: HTMLButtonElement;
  readonly picture: HTMLCanvasElement;
  readonly loss: HTMLSpanElement;
  readonly verdict: HTMLSpanElement;
}

export function mountAscents(studio: Studio, sights: Sights): void {
  const section = element('ascents', HTMLElement);
  const words = element('ascents-words', HTMLParagraphElement);
  const chart = element('ascents-chart', SVGSVGElement);
  const list = element('ascents-list', HTMLUListElement);
  const cards: Card[] = [];
  let waits = false;

  const draw = (): void => {
    waits = false;
    const { run } = studio.state;
    section.hidden = run?.settings.method !== 'multi-start';
    if (!run || section.hidden) {
      return;
    }
    const ascents = ascentsOf(run.frames);
    words.textContent = describe(run, ascents);
    drawAscents(chart, run, ascents);
    while (cards.length < ascents.length) {
      cards.push(cardFor(cards.length, (i) => look(studio, i)));
    }
    list.replaceChildren(...cards.slice(0, ascents.length).map(({ item }) => item));
    if (run.source === 'live') {
      sights.want('ascents', ascents.map(({ best }) => best).reverse(), run.size);
    }
    const chosen = run.frames[run.best];
    for (const [i, ascent] of ascents.entries()) {
      const card = cards[i];
      if (card) {
        fill(card, ascent, { run, sights, isBest: chosen?.record.chain === i });
      }
    }
  };
  const later = (): void => {
    if (!waits) {
      waits = true;
      requestAnimationFrame(draw); // At most once for each picture of the screen.
    }
  };
  studio.watch(['run', 'engine'], later);
  sights.watch(later);
}

/** Shows the best picture of an ascent as the one that is looked at. */
function look(studio: Studio, ascent: number): void {
  const best = ascentsOf(studio.state.run?.frames ?? [])[ascent]?.best;
  if (best) {
    studio.change({ shown: best.iteration });
  }
}

function describe({ settings, frames, outcome }: ShownRun, ascents: readonly Ascent[]): string {
  const { candidates, chains } = multiStartFor(settings.iterations);
  if (outcome) {
    const gained = ascents.filter(({ first, best }) => best.record.total < first.record.total).length;
    return `${counted(Math.min(frames.length, candidates), 'noise')} of the seed judged, ${counted(ascents.length, 'ascent')} from the best of them: ${gained} lowered the loss.`;
  }
  return ascents.length === 0
    ? `${frames.length} of ${counted(candidates, 'noise')} judged; the best ${chains} will be improved.`
    : `${counted(candidates, 'noise')} judged; ascent ${ascents.length} of ${chains} is on.`;
}

function cardFor(i: number, choose: (i: number) => void): Card {
  const card: Card = {
    item: document.createElement('li'),
    press: button('', () => choose(i)),
    picture: document.createElement('canvas'),
    loss: document.createElement('span'),
    verdict: document.createElement('span'),
  };
  card.verdict.className = 'verdict';
  const name = document.createElement('b');
  name.textContent = `Ascent ${i + 1}`;
  card.press.append(card.picture, name, card.loss, card.verdict);
  card.item.append(card.press);
  return card;
}

function fill(
  { item, picture, loss, verdict }: Card,
  { draw, first, best }: Ascent,
  { run, sights, isBest }: { readonly run: ShownRun; readonly sights: Sights; readonly isBest: boolean },
): void {
  drawFrame(picture, best, run.size);
  item.classList.toggle('is-best', isBest);
  loss.textContent = `noise ${draw} · loss ${short(first.record.total)} → ${short(best.record.total)}`;
  const sight = sights.of(best);
  if (sight) {
    writeVerdict(verdict, judgement(run.settings.prompt, sight));
  }
}
