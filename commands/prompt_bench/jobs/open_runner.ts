/** Opens networks for the settings of a job, and the independent evaluator where the model's folder has one. */
import { hostname } from 'node:os';
import { adapterName } from '../../../src/cli/adapter.ts';
import type { ChosenModel } from '../../../src/cli/weights/chosen_model.ts';
import { subfolder } from '../../../src/models/checkpoint/files.ts';
import { Judge } from '../../../src/reno/scene/judge.ts';
import { adapterRecord, Reno } from '../../../src/reno/session.ts';
import { type RenoSettings, withSettings } from '../../../src/reno/settings/settings.ts';
import { openSteadyReno } from '../../../src/reno/steady_reno.ts';
import type { Device } from '../../../src/tensor/device/device.ts';
import { revision } from '../../common/revision.ts';
import { JobRunner, type OpenedArm } from './run_jobs.ts';

export function openRunner(model: ChosenModel, openDevice: () => Promise<Device>, signal: AbortSignal): JobRunner {
  const say = (sentence: string): void => console.error(`reno: ${sentence}`);
  const open = async (settings: RenoSettings): Promise<OpenedArm> => {
    let judge: Judge | null = null;
    const steady = await openSteadyReno({
      openDevice: async () => {
        const device = await openDevice();
        console.error(`adapter: ${adapterName(device)}`);
        return device;
      },
      openReno: async (device, changes) => {
        // The evaluator lives on the device, so that it is opened again with it.
        const reno = await Reno.open(device, model.name, model.files, withSettings(settings, changes));
        const hasJudge = await model.files.has('evaluator/config.json');
        judge = hasJudge ? await Judge.open(device, subfolder(model.files, 'evaluator'), reno.imageSize) : null;
        return reno;
      },
      say,
    });
    return {
      steady,
      adapter: adapterRecord(steady.device),
      get judge() {
        return judge;
      },
      [Symbol.dispose]: () => {
        judge?.[Symbol.dispose]();
        steady[Symbol.dispose]();
      },
    };
  };
  return new JobRunner({ open, host: hostname(), now: () => new Date(), commit: revision().commit, signal });
}
