/** Times of kernel variants on known adapters, as `reno tune --export` wrote them: used where nothing was timed here. */
import { checkTuning, type TuningTable } from '../../tensor/tuning_table.ts';
import shipped from './shipped.json' with { type: 'json' };

export const SHIPPED: readonly TuningTable[] = (shipped as readonly unknown[]).map((table, i) =>
  checkTuning(table, `src/kernels/tuned/shipped.json, table ${i + 1},`),
);
