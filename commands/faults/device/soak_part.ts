/** The part `soak`: many runs, openings and failures in one process; what they take is counted, and stays. */
import type { ModelFiles } from '../../../src/models/checkpoint/files.ts';
import { openDevice } from '../../../src/platform/node/open_device.ts';
import { pocketModels } from '../../../src/platform/node/open_models.ts';
import { Reno } from '../../../src/reno/session.ts';
import { type RenoSettings, readSettings, withSettings } from '../../../src/reno/settings.ts';
import type { Device } from '../../../src/tensor/device.ts';
import type { FaultOptions, FaultPart, FaultRow } from '../fault_part.ts';
import { FaultyDevice } from './faulty_device.ts';

export const soak: FaultPart = {
  name: 'soak',
  description: 'Runs, openings and failures again and again: buffers, pipelines and listeners do not grow',
  run: again,
};

const MIB = 2 ** 20;

/** GPU memory, pipelines, listeners and memory of the process at a moment. */
interface Held {
  readonly bytes: number;
  readonly pipelines: number;
  readonly listeners: number;
  readonly rss: number;
}

async function again({ count = 50, say }: FaultOptions): Promise<FaultRow[]> {
  const files = pocketModels();
  const settings = withSettings(await readSettings(files), { rewards: { clip: 1 }, mode: 'no-optim' });
  const faulty = new FaultyDevice(await openDevice(), null);
  using device = faulty.device;
  const held = (): Held => {
    globalThis.gc?.();
    const { rss } = process.memoryUsage();
    return { bytes: device.memory.bytes, pipelines: device.pipelineCount, listeners: faulty.listeners, rss };
  };
  const rows: FaultRow[] = [];
  const measure = async (fault: string, times: number, once: (i: number) => Promise<void>): Promise<void> => {
    // The first half warms up: the driver keeps what it has compiled.
    for (let i = 0; i < Math.ceil(times / 2); i++) {
      await once(i);
    }
    const before = held();
    const rest = Math.floor(times / 2);
    for (let i = 0; i < rest; i++) {
      await once(i);
    }
    const after = held();
    const grown = (['bytes', 'pipelines', 'listeners'] as const).filter((key) => after[key] > before[key]);
    const slope = (after.rss - before.rss) / Math.max(1, rest) / MIB;
    const lost = grown.length > 0 || slope > 2 ? 1 : 0;
    const found = `${grown.length > 0 ? `grown: ${grown.join(', ')}; ` : 'buffers, pipelines and listeners flat; '}${slope.toFixed(2)} MiB of resident memory each over the last ${rest}`;
    rows.push({ part: 'soak', fault, injected: times, survived: times - lost, lost, found });
    say(`${fault}: ${found}`);
  };
  {
    using reno = await Reno.open(device, 'pocket', files, settings);
    const prompts = ['a photo of a red cat', 'a photo of two cars'];
    await measure('generations', count * 5, async (i) => {
      await reno.generate({ prompt: prompts[i % 2] ?? '', seed: i });
    });
  }
  await measure('openings', count, async () => {
    using _ = await Reno.open(device, 'pocket', files, settings);
  });
  await measure('failed uploads', count, () => failedUpload(device, files, settings));
  return rows;
}

/** Opens a model whose last file breaks off. */
async function failedUpload(device: Device, files: ModelFiles, settings: RenoSettings): Promise<void> {
  const broken: ModelFiles = {
    ...files,
    name: files.name,
    has: (path) => files.has(path),
    readText: (path) => files.readText(path),
    read: async (path) => {
      const source = await files.read(path);
      let reads = 0;
      return path === 'clip/model.safetensors'
        ? {
            name: source.name,
            size: source.size,
            read: (offset, length) =>
              ++reads > 40 ? Promise.reject(new Error('cut off')) : source.read(offset, length),
          }
        : source;
    },
  };
  const failed = await Reno.open(device, 'pocket', broken, settings).then(
    () => false,
    () => true,
  );
  if (!failed) {
    throw new Error('the upload did not fail');
  }
}
