/** What a full-size run would need, from names and shapes alone: no weights, no adapter. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeFiles } from '../../src/cli/node_files.ts';
import type { RenoSettings } from '../../src/reno/settings.ts';
import { traceRun } from '../../src/reno/trace.ts';
import type { DeviceCaps } from '../../src/tensor/op.ts';
import { summarize } from '../../src/tensor/plan.ts';
import { schedule } from '../../src/tensor/schedule.ts';
import { Folder, PARTS, partOf } from './folders.ts';

/** A GPU with f16 and subgroups of 32, as Vulkan shows NVIDIA's. */
const GPU: DeviceCaps = {
  f16: true,
  subgroups: true,
  subgroupMinSize: 32,
  subgroupMaxSize: 32,
  software: false,
  maxWorkgroupStorage: 49152,
  maxInvocations: 1024,
  maxStorageBuffers: 16,
};

export interface PlannedRun {
  readonly model: string;
  /** Bytes that stay, and that values share by lifetime. */
  readonly weights: number;
  readonly kept: number;
  readonly transient: number;
  readonly largest: { readonly name: string; readonly bytes: number };
  readonly dispatches: Readonly<Record<'load' | 'prompt' | 'step', number>>;
  readonly flops: Readonly<Record<'load' | 'prompt' | 'step', number>>;
}

/** @param tokenizers a folder with the public clip, bert and t5 tokenizers */
export async function planRun(model: string, tokenizers: string, settings: RenoSettings): Promise<PlannedRun> {
  const root = mkdtempSync(join(tmpdir(), 'reno-plan-'));
  try {
    const folder = new Folder(root, tokenizers, () => {}, 'hollow');
    for (const part of PARTS) {
      await partOf(model, part)(folder);
    }
    const { spec } = await traceRun(nodeFiles(root), settings);
    const planned = schedule(spec, GPU);
    const { bytes, dispatches, flops } = summarize(planned);
    const [largest = { name: '', bytes: 0 }] = [...planned.buffers].sort((a, b) => b.bytes - a.bytes);
    const { inputs: weights, kept, transient } = bytes;
    return { model, weights, kept, transient, largest, dispatches, flops };
  } finally {
    rmSync(root, { recursive: true });
  }
}
