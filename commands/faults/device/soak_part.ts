/** The part `soak`: many runs, openings and failures in one process; what they take is counted, and stays. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { ModelFiles } from '../../../src/models/checkpoint/files.ts';
import { openDevice } from '../../../src/platform/node/open_device.ts';
import { Reno } from '../../../src/reno/session.ts';
import type { FaultOptions, FaultPart, FaultRow } from '../fault_part.ts';
import { FaultyDevice, type PlannedFault, SharedDriver } from './faulty_device.ts';
import { type Line, lineThrough } from './fitted_line.ts';
import { SMALLEST_SETTINGS, smallestModel } from './smallest_model.ts';

export const soak: FaultPart = {
  name: 'soak',
  description:
    'Runs, openings and failures again and again: buffers, pipelines and listeners do not grow, nor does memory',
  run: again,
};

const MIB = 2 ** 20;
/** Runs for each opening and failure. */
const RUNS = 5;
/** Measurements of resident memory, at equal distances. */
const SAMPLES = 20;
/** Growth of each repetition that is none, in MiB, where it is certain to be more: a leaked upload was 20. */
const BOUND = { generations: 0.05, openings: 0.25, failures: 0.25 };

/** Buffers, pipelines and listeners at a moment. */
interface Held {
  readonly bytes: number;
  readonly buffers: number;
  readonly pipelines: number;
  readonly listeners: number;
}

/** @returns rows of `count` openings and failures, and 5 times as many runs */
async function again({ count = 100, say }: FaultOptions): Promise<FaultRow[]> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const files = smallestModel();
  const settings = { ...SMALLEST_SETTINGS, nIters: 2 };
  const shared = new SharedDriver(await openDevice());
  using real = shared.real;
  const faulty = new FaultyDevice(shared, null);
  const { device } = faulty;
  const held = (): Held => ({
    bytes: device.memory.bytes,
    buffers: faulty.buffers,
    pipelines: shared.pipelines.size,
    listeners: faulty.listeners + process.eventNames().reduce((n, name) => n + process.listenerCount(name), 0),
  });
  const rows: FaultRow[] = [];
  const measure = async (
    fault: keyof typeof BOUND,
    times: number,
    once: (i: number) => Promise<void>,
  ): Promise<void> => {
    // The first half warms up: the driver and Node keep what they need again.
    const warm = Math.ceil(times / 2);
    const every = Math.max(1, Math.floor((times - warm) / SAMPLES));
    const points: [number, number][] = [];
    let before = held();
    for (let i = 0; i < times; i++) {
      before = i === warm ? held() : before;
      await once(i);
      if (i >= warm && (i - warm) % every === 0) {
        await real.gpu.queue.onSubmittedWorkDone();
        collect();
        points.push([i, process.memoryUsage.rss() / MIB]);
      }
    }
    const row = rowOf(fault, times, { before, after: held(), line: lineThrough(points) });
    rows.push(row);
    say(`${row.fault}: ${row.found}`);
  };
  {
    using reno = await Reno.open(device, 'smallest', files, settings);
    const prompts = ['a photo of a red cat', 'a photo of two cars'];
    await measure('generations', count * RUNS, async (i) => {
      await reno.generate({ prompt: prompts[i % 2] ?? '', seed: i });
    });
  }
  await measure('openings', count, async () => {
    using _ = await Reno.open(device, 'smallest', files, settings);
  });
  const full: PlannedFault = { call: 'createBuffer', at: 300, fault: 'out-of-memory' };
  await measure('failures', count, async (i) => {
    const refused = i % 2 === 0 ? device : new FaultyDevice(shared, full).device;
    await failed(Reno.open(refused, 'smallest', i % 2 === 0 ? brokenOff(files) : files, settings));
    if (refused.memory.bytes > 0) {
      throw new Error(`failure ${i}: ${refused.memory.bytes} bytes of buffers were not given back`);
    }
  });
  return rows;
}

function rowOf(
  fault: keyof typeof BOUND,
  injected: number,
  { before, after, line }: { before: Held; after: Held; line: Line },
): FaultRow {
  const grown = (['bytes', 'buffers', 'pipelines', 'listeners'] as const).filter((key) => after[key] > before[key]);
  const isSteep = line.slope - 2 * line.error > BOUND[fault];
  const lost = grown.length > 0 || isSteep ? 1 : 0;
  const counts = `${after.buffers} buffers, ${after.pipelines} pipelines, ${after.listeners} listeners`;
  const slope = !Number.isFinite(line.error)
    ? 'too few for a slope of resident memory'
    : `${line.slope.toFixed(3)} ± ${line.error.toFixed(3)} MiB of resident memory each over the second half`;
  const found = `${grown.length > 0 ? `grown: ${grown.join(', ')} (now ${counts})` : `${counts}, all flat`}; ${slope}`;
  return {
    part: 'soak',
    fault,
    injected,
    survived: injected - lost,
    lost,
    found,
    figures: { [`MiB of each of the ${fault}`]: line.slope },
  };
}

/** @throws Error when the opening did not fail */
async function failed(opening: Promise<Reno>): Promise<void> {
  const reno = await opening.catch(() => null);
  if (reno) {
    reno[Symbol.dispose]();
    throw new Error('the opening did not fail');
  }
}

/** The model, whose last file breaks off: the upload fails when most of the others are on the GPU. */
function brokenOff(files: ModelFiles): ModelFiles {
  return {
    ...files,
    read: async (path) => {
      const source = await files.read(path);
      let reads = 0;
      return path === 'clip/model.safetensors'
        ? {
            name: source.name,
            size: source.size,
            read: (offset, length) =>
              ++reads > 20 ? Promise.reject(new Error('cut off')) : source.read(offset, length),
          }
        : source;
    },
  };
}
