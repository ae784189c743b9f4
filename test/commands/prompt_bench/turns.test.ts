/** Jobs of one kind work together, others wait, and a job that fails beside others is tried again alone. */
import { describe, expect, it } from 'vitest';
import type { Job } from '../../../commands/prompt_bench/jobs/job.ts';
import { JobRunner, jobsAtOnce, type OpenedArm } from '../../../commands/prompt_bench/jobs/run_jobs.ts';
import { Turns } from '../../../commands/prompt_bench/jobs/turns.ts';
import { NotFiniteError } from '../../../src/reno/loop/loop.ts';
import { REFERENCE_SETTINGS, type RenoSettings, withSettings } from '../../../src/reno/settings/settings.ts';
import { GpuError } from '../../../src/tensor/device/gpu_error.ts';

const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

it('turns of one kind overlap, and others come in the order in which they were asked for', async () => {
  const turns = new Turns();
  const said: string[] = [];
  const work = async (kind: string | null, name: string): Promise<void> => {
    const end = await turns.take(kind);
    said.push(`${name}+`);
    await soon();
    said.push(`${name}-`);
    end();
  };
  await Promise.all([work('a', '1'), work('a', '2'), work(null, '3'), work('a', '4'), work('b', '5')]);
  expect(said).toEqual(['1+', '2+', '1-', '2-', '3+', '3-', '4+', '4-', '5+', '5-']);
});

const image = new Float32Array(2 * 2 * 3);
const generated = {
  trajectory: {
    records: [{ iteration: 0, losses: {}, total: 1, regulariser: 0, norm: 1, seconds: 0 }],
    best: 0,
    stopped: null,
    stoppedBy: null,
    seconds: 1,
    initImage: image,
    bestImage: image,
  },
  history: { config: { rewards: [] } },
};

/** Networks whose runs fail beside others while their device is `broken`. */
function fakeArm(
  settings: RenoSettings,
  together: (prompt: string, device: object) => Promise<void>,
  said: string[],
): OpenedArm {
  let device = { name: 'first' };
  const reno = {
    settings,
    imageSize: { height: 2, width: 2 },
    generate: async ({ prompt }: { prompt: string }) => {
      said.push(`${prompt} begins`);
      await soon();
      await together(prompt, device);
      said.push(`${prompt} ends`);
      return generated;
    },
  };
  const steady = {
    get device() {
      return device;
    },
    get reno() {
      return reno;
    },
    generate: async ({ prompt }: { prompt: string }) => {
      device = { name: 'other' };
      said.push(`${prompt} alone`);
      return generated;
    },
  };
  return { steady, judge: null, adapter: {}, [Symbol.dispose]: () => said.push('closed') } as unknown as OpenedArm;
}

const jobOf = (prompt: string, settings: RenoSettings): Job =>
  ({ key: prompt, prompt, settings, index: 0, listSeed: 0, noise: { seed: 0, draw: 0 } }) as Job;

describe('jobs with a batch', () => {
  const batch = withSettings(REFERENCE_SETTINGS, { batch: 2, dtype: 'f16' });
  const runnerOf = (
    together: Parameters<typeof fakeArm>[1],
    said: string[],
    judge: OpenedArm['judge'] = null,
  ): JobRunner =>
    new JobRunner({
      open: async (settings) => {
        said.push(`open ${settings.nIters}`);
        return { ...fakeArm(settings, together, said), judge };
      },
      host: 'here',
      now: () => new Date(0),
      commit: '',
      signal: new AbortController().signal,
    });

  it('run together, and those of another setting after them on networks of their own', async () => {
    const said: string[] = [];
    using runner = runnerOf(async () => {}, said);
    const other = withSettings(batch, { nIters: 7 });
    await Promise.all([jobOf('a', batch), jobOf('b', batch), jobOf('c', other)].map((job) => runner.run(job)));
    expect(said).toEqual([
      'open 50',
      'a begins',
      'b begins',
      'a ends',
      'b ends',
      'closed',
      'open 7',
      'c begins',
      'c ends',
    ]);
  });

  it('keep their networks open until their pictures are judged and written', async () => {
    const said: string[] = [];
    const judge = async (): Promise<object> => {
      await soon();
      said.push('judged');
      return { right: true, reason: null };
    };
    using runner = runnerOf(async () => {}, said, { judge } as unknown as OpenedArm['judge']);
    const scene = {} as Job['scene'];
    const other = withSettings(batch, { nIters: 7 });
    const jobs = [jobOf('a', batch), jobOf('b', batch), jobOf('c', other)].map((job) => ({ ...job, scene }) as Job);
    await Promise.all(jobs.map((job) => runner.run(job)));
    expect(said.indexOf('closed')).toBe(said.indexOf('open 7') - 1);
    expect(said.slice(0, said.indexOf('closed')).filter((word) => word === 'judged')).toHaveLength(4);
  });

  it('are more at once than rows, so that a row is taken while the last picture in it is judged', async () => {
    const rows = 2;
    const judged: string[] = [];
    let begun = 0;
    let tellThird = (): void => {};
    const third = new Promise<void>((resolve) => {
      tellThird = resolve;
    });
    const begin = async (): Promise<void> => {
      begun += 1;
      if (begun === rows + 1) {
        tellThird();
      }
    };
    // A picture is judged only once a third job has begun: with as many jobs as rows this would never end.
    const judge = async (): Promise<object> => {
      await third;
      judged.push('judged');
      return { right: true, reason: null };
    };
    using runner = runnerOf(begin, [], { judge } as unknown as OpenedArm['judge']);
    const left = ['a', 'b', 'c', 'd'].map((name) => ({ ...jobOf(name, batch), scene: {} }) as Job);
    const work = async (): Promise<void> => {
      for (let job = left.shift(); job; job = left.shift()) {
        await runner.run(job);
      }
    };
    await Promise.all(Array.from({ length: jobsAtOnce(batch) }, work));
    expect(judged).toHaveLength(8);
    expect([1, 2, 3, 4, 8].map((size) => jobsAtOnce({ batch: size }))).toEqual([1, 3, 5, 6, 12]);
  });

  it('after a lost device one is run alone, which opens another, and the others run together on that', async () => {
    const said: string[] = [];
    const lost = async (_: string, device: object): Promise<void> => {
      if ('name' in device && device.name === 'first') {
        throw new GpuError('lost', 'the GPU is gone');
      }
    };
    using runner = runnerOf(lost, said);
    await Promise.all([jobOf('a', batch), jobOf('b', batch)].map((job) => runner.run(job)));
    expect(said).toEqual(['open 50', 'a begins', 'b begins', 'a alone', 'b begins', 'b ends']);
  });

  it('one whose f16 may have overflowed is run alone, where more is stored as f32', async () => {
    const said: string[] = [];
    const overflowing = async (prompt: string): Promise<void> => {
      if (prompt === 'a') {
        throw new NotFiniteError('the total loss became NaN');
      }
    };
    using runner = runnerOf(overflowing, said);
    await Promise.all([jobOf('a', batch), jobOf('b', batch)].map((job) => runner.run(job)));
    expect(said).toEqual(['open 50', 'a begins', 'b begins', 'b ends', 'a alone']);
  });
});
