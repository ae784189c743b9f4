/** Memory, work and dispatches of full-size models, as planned (`reno plan`); nothing runs. */
import { type PlanReport, planReport } from '../../../src/cli/plan/plan_report.ts';
import { planRun } from '../../../src/cli/plan/planned_run.ts';
import { table } from '../../common/table.ts';
import type { Options, ResultRow } from '../section.ts';

type Measure = 'peak' | 'flops' | 'dispatches';

interface Target {
  readonly model: string;
  readonly size: number;
  readonly budget?: number;
  /** Upper bounds. */
  readonly limits: Readonly<Partial<Record<Measure, number>>>;
}

const TARGETS: readonly Target[] = [
  { model: 'sd-turbo', size: 512, limits: { peak: 9e9, flops: 9.3e12, dispatches: 2000 } },
  { model: 'sd-turbo', size: 512, budget: 5e9, limits: { peak: 5e9 } },
  { model: 'sdxl-turbo', size: 512, limits: { peak: 14e9 } },
  { model: 'hyper-sdxl', size: 1024, limits: { peak: 20e9 } },
  { model: 'pixart', size: 512, limits: { peak: 12e9 } },
];

const MEASURES: Readonly<Record<Measure, { readonly of: (plan: PlanReport) => number; readonly show: Show }>> = {
  peak: { of: ({ memory }) => memory.peak, show: (n) => `${(n / 1e9).toFixed(2)} GB` },
  flops: { of: ({ stages }) => stages.step.flops, show: (n) => `${(n / 1e12).toFixed(3)} TFLOP` },
  dispatches: { of: ({ stages }) => stages.step.dispatches, show: (n) => n.toLocaleString('en') },
};

type Show = (n: number) => string;

export async function plan({ say, matches }: Options): Promise<ResultRow[]> {
  const rows: ResultRow[] = [];
  for (const { model, size, budget, limits } of TARGETS) {
    const title = `${model} ${size}²${budget ? `, budget ${budget / 1e9} GB` : ''}`;
    if (!matches(title)) {
      continue;
    }
    const planned = planReport(await planRun({ model, size: [size, size], ...(budget ? { budget } : {}) }));
    for (const measure of Object.keys(MEASURES) as Measure[]) {
      const { of, show } = MEASURES[measure];
      const limit = limits[measure];
      const value = of(planned);
      // The default plan's work is reported once, with or without a limit.
      if (limit !== undefined || !budget) {
        rows.push(judged(`${title}: ${measure}`, value, limit, show));
      }
    }
    say(`${title}: planned`);
  }
  return rows;
}

function judged(name: string, value: number, limit: number | undefined, show: Show): ResultRow {
  const ok = limit === undefined || value <= limit;
  const notes = ok || limit === undefined ? [] : [`${show(value)}, at most ${show(limit)} is asked`];
  return { section: 'plan', name, ok, notes, value, limit, shown: show(value), asked: limit ? `≤ ${show(limit)}` : '' };
}

export function planTable(rows: readonly ResultRow[]): string[] {
  return table(
    ['planned, four rewards', 'value', 'asked', ''],
    rows.map((row) => [row.name, String(row.shown), String(row.asked), row.ok ? 'ok' : 'SHORT']),
  );
}
