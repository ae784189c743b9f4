/** Plans a model in a worker of its own, so that the models that are loaded stay as they are. */
import { EngineClient } from '../engine/client.ts';
import type { ToEngine } from '../engine/protocol.ts';
import type { ModelPlan } from '../models/model_source.ts';

/** @param script the worker's address @throws Error, one sentence, where the model cannot be planned */
export function planApart(
  script: string,
  wanted: Omit<Extract<ToEngine, { kind: 'plan' }>, 'kind'>,
): Promise<ModelPlan> {
  return new Promise((resolve, reject) => {
    const engine = new EngineClient(script, (event) => {
      if (event.kind === 'planned') {
        resolve(event.plan);
      } else if (event.kind === 'unplanned' || event.kind === 'failed') {
        reject(new Error(event.sentence));
      } else {
        return;
      }
      engine.close();
    });
    engine.send({ kind: 'plan', ...wanted });
  });
}
