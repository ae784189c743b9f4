/** The curves of the run that is shown. */
import { lineChart } from '../../reno/report/chart.ts';
import { charts } from '../../reno/report/report.ts';
import { element } from '../elements.ts';
import type { ShownRun, Studio } from '../state/studio_state.ts';

export function mountCurves(studio: Studio): void {
  const figures = element('charts', HTMLDivElement);
  const legend = element('legend', HTMLParagraphElement);
  let waits = false;
  let drawn: ShownRun | null = null;
  const draw = (): void => {
    waits = false;
    const { run } = studio.state;
    if (run !== drawn) {
      drawn = run;
      figures.innerHTML = run && run.frames.length > 0 ? drawnCharts(run) : '';
      legend.hidden = figures.childElementCount === 0;
    }
  };
  studio.watch(['run'], () => {
    // At most once for each picture of the screen.
    if (!waits) {
      waits = true;
      requestAnimationFrame(draw);
    }
  });
}

const drawnCharts = ({ charted, frames, best }: ShownRun): string =>
  charts({ config: charted, iterations: frames.map((frame) => frame.record), best })
    .map(lineChart)
    .join('');
