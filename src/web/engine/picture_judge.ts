/** The evaluator in the worker: it is opened for the first picture, and again where the device is another one. */
import type { ModelFiles } from '../../models/checkpoint/files.ts';
import { Judge } from '../../reno/scene/judge.ts';
import type { Device } from '../../tensor/device/device.ts';
import type { LookedAt, Sight } from './protocol.ts';
import { toFloats } from './rgba.ts';

export class PictureJudge {
  #opened: { readonly device: Device; readonly judge: Promise<Judge> } | null = null;

  /** @param files the evaluator's folder @throws Error, one sentence, where it cannot be opened or the device fails */
  async look(device: Device, files: ModelFiles, { pixels, height, width }: LookedAt): Promise<Sight> {
    if (this.#opened?.device !== device) {
      this.#opened = { device, judge: Judge.open(device, files, { height, width }) };
    }
    try {
      const judge = await this.#opened.judge;
      return { detections: await judge.look(toFloats(pixels)), config: judge.config };
    } catch (error) {
      this.forget();
      throw error;
    }
  }

  /** Opens the evaluator anew for the next picture. */
  forget(): void {
    this.#opened = null;
  }
}
