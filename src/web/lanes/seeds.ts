/** The same prompt from several seeds: a row of their best pictures and verdicts; a click shows a run whole. */
import { short } from '../../reno/report/chart.ts';
import { button, element } from '../elements.ts';
import { lengthOf } from '../run/run_length.ts';
import { drawFrame } from '../share/draw_frame.ts';
import type { RunSettings, ShownFrame, ShownRun, Studio } from '../state/studio_state.ts';
import type { Sights } from '../verdict/sights.ts';
import { judgement, writeVerdict } from '../verdict/verdict_line.ts';

/** A place in the row. */
interface Card {
  readonly settings: RunSettings;
  readonly press: HTMLButtonElement;
  readonly picture: HTMLCanvasElement;
  readonly loss: HTMLSpanElement;
  readonly verdict: HTMLSpanElement;
  readonly item: HTMLLIElement;
  /** The run as far as it has come. */
  run: ShownRun | null;
}

export function mountSeeds(studio: Studio, sights: Sights): void {
  const list = element('seeds-list', HTMLUListElement);
  let cards: readonly Card[] = [];

  const show = (): void => {
    const { run, phase } = studio.state;
    for (const card of cards) {
      if (run?.settings === card.settings) {
        card.run = run;
      }
      card.press.setAttribute('aria-pressed', String(run !== null && run === card.run));
      card.press.setAttribute('aria-disabled', String(phase !== 'ready' || card.run === null));
      fill(card, sights);
    }
    const best = cards.flatMap(({ run: own }) => bestOf(own) ?? []);
    if (run && cards.length > 0) {
      sights.want('seeds', best, run.size);
    }
  };
  studio.watch(['seeds'], ({ seeds }) => {
    cards = seeds.map((settings) =>
      cardFor(settings, (card) => {
        if (studio.state.phase === 'ready' && card.run) {
          studio.change({ run: card.run, shown: null });
        }
      }),
    );
    list.replaceChildren(...cards.map(({ item }) => item));
    list.hidden = cards.length === 0;
  });
  studio.watch(['seeds', 'run', 'phase'], show);
  sights.watch(show);
}

const bestOf = (run: ShownRun | null): ShownFrame | undefined => run?.frames[run.best];

function cardFor(settings: RunSettings, choose: (card: Card) => void): Card {
  const name = document.createElement('b');
  name.textContent = `Seed ${settings.seed}`;
  const card: Card = {
    settings,
    press: button('', () => choose(card)),
    picture: document.createElement('canvas'),
    loss: document.createElement('span'),
    verdict: document.createElement('span'),
    item: document.createElement('li'),
    run: null,
  };
  card.verdict.className = 'verdict';
  card.press.append(card.picture, name, card.loss, card.verdict);
  card.item.append(card.press);
  return card;
}

function fill({ settings, picture, loss, verdict, run }: Card, sights: Sights): void {
  const best = bestOf(run);
  drawFrame(picture, best, run?.size ?? null);
  if (!run || !best) {
    loss.textContent = 'waits';
    writeVerdict(verdict, null);
    return;
  }
  const first = run.frames[0]?.record.total ?? best.record.total;
  const done = run.outcome ? '' : ` · ${run.frames.length} of ${lengthOf(settings)}`;
  loss.textContent = `loss ${short(first)} → ${short(best.record.total)}${done}`;
  const sight = sights.of(best);
  if (sight) {
    writeVerdict(verdict, judgement(settings.prompt, sight));
  }
}
