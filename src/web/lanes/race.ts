/** The run beside best-of-N: both lanes' pictures, losses and verdicts while they run, and who is ahead. */
import { short } from '../../reno/report/chart.ts';
import { METHOD_TEXTS } from '../../reno/settings/explanations.ts';
import { element } from '../elements.ts';
import { lengthOf, workOf } from '../run/run_length.ts';
import { drawFrame } from '../share/draw_frame.ts';
import type { SecondLane, ShownFrame, ShownRun, Studio } from '../state/studio_state.ts';
import type { Sights } from '../verdict/sights.ts';
import { judgement, writeVerdict } from '../verdict/verdict_line.ts';
import { counted } from '../words.ts';
import { drawCourse } from './course.ts';
import { type Standing, standingWords, weightedLoss } from './standing.ts';

/** A lane, as it is shown. */
interface Shown {
  readonly id: 'reno' | 'other';
  readonly name: string;
  readonly work: string;
  readonly best: ShownFrame | undefined;
  readonly now: ShownFrame | undefined;
}

export function mountRace(studio: Studio, sights: Sights): void {
  const view = element('race-view', HTMLDivElement);
  const words = element('race-words', HTMLParagraphElement);
  const spoken = element('race-announcement', HTMLParagraphElement);
  const chart = element('race-chart', SVGSVGElement);
  let announced: ShownRun | null = null;
  let waits = false;

  const draw = (): void => {
    waits = false;
    const { run, lane } = studio.state;
    view.hidden = lane === null;
    if (!lane || !run) {
      return;
    }
    const shown = lanesOf(run, lane);
    element('race-budget', HTMLSpanElement).textContent =
      `${counted(lengthOf(run.settings), 'iteration')} stand beside ${counted(lane.total, 'picture')}`;
    const { name } = shown[0];
    element('race-key', HTMLSpanElement).textContent = name;
    element('lane-reno-name', HTMLElement).textContent = name;
    element('lane-other-name', HTMLElement).textContent = shown[1].name;
    sights.want(
      'race',
      shown.flatMap(({ best }) => best ?? []),
      run.size,
    );
    const standings = shown.map((one) => show(one, run, sights));
    drawCourse(chart, {
      total: lane.total,
      workOf: (count) => workOf(run.settings, count),
      reno: run.frames.map(({ record }) => weightedLoss(record, run.charted.rewards)),
      other: lane.losses,
    });
    const [a, b] = standings;
    const text = a && b ? standingWords(a, b, run.outcome !== null) : '';
    words.textContent = text;
    // A screen reader hears the end, not each turn.
    if (run.outcome && announced !== run && a?.right !== undefined && b?.right !== undefined) {
      announced = run;
      spoken.textContent = text;
    }
  };
  const later = (): void => {
    if (!waits) {
      waits = true;
      requestAnimationFrame(draw);
    }
  };
  studio.watch(['run', 'lane', 'engine'], later);
  sights.watch(later);
}

function lanesOf(run: ShownRun, lane: SecondLane): [Shown, Shown] {
  const done = run.frames.length;
  const reno = {
    id: 'reno',
    name: METHOD_TEXTS[run.settings.method].label,
    work: `${done} of ${counted(lengthOf(run.settings), 'iteration')}, the work of ${counted(workOf(run.settings, done), 'picture')}`,
    best: run.frames[run.best],
    now: run.frames.at(-1),
  } as const;
  const other = {
    id: 'other',
    name: `best-of-${lane.total}`,
    work: `${lane.losses.length} of ${counted(lane.total, 'picture')}`,
    best: lane.best ?? undefined,
    now: lane.now ?? undefined,
  } as const;
  return [reno, other];
}

/** Shows a lane. @returns its standing; null before its first picture */
function show({ id, name, work, best, now }: Shown, run: ShownRun, sights: Sights): Standing | null {
  const figure = element(`lane-${id}`, HTMLElement);
  element(`lane-${id}-work`, HTMLSpanElement).textContent = work;
  drawFrame(element(`lane-${id}-best`, HTMLCanvasElement), best, run.size);
  drawFrame(element(`lane-${id}-now`, HTMLCanvasElement), now, run.size);
  figure.classList.toggle('is-empty', best === undefined);
  const sight = best && sights.of(best);
  const verdict = sight && judgement(run.settings.prompt, sight);
  if (verdict || !best) {
    writeVerdict(element(`lane-${id}-verdict`, HTMLParagraphElement), verdict ?? null);
  }
  const line = element(`lane-${id}-loss`, HTMLParagraphElement);
  if (!best || !now) {
    line.textContent = '';
    return null;
  }
  const loss = weightedLoss(best.record, run.charted.rewards);
  const newest = weightedLoss(now.record, run.charted.rewards);
  line.textContent = `best loss ${short(loss)} · now ${short(newest)}`;
  return { name, loss, right: verdict?.right };
}
