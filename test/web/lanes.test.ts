/** Two lanes without a browser: their pace, their steps, and the words about who is ahead. */
import { describe, expect, it } from 'vitest';
import { BEST_OF_N, Pace, RENO } from '../../src/web/engine/pace.ts';
import { Pause } from '../../src/web/engine/pause.ts';
import { lowestSoFar } from '../../src/web/lanes/course.ts';
import { type Standing, standingWords, weightedLoss } from '../../src/web/lanes/standing.ts';
import { HeldEvents } from '../../src/web/run/held_events.ts';
import { emptyLane, withPicture } from '../../src/web/run/second_lane.ts';
import type { ShownFrame } from '../../src/web/state/studio_state.ts';

/** Lets everything run that can. */
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

describe('the pace of two searches', () => {
  /** A search that does pieces of work as fast as it may. */
  const search = (pace: Pace, which: typeof RENO | typeof BEST_OF_N, cost: number, pieces: number) => {
    const done = { count: 0 };
    const run = async (): Promise<void> => {
      for (; done.count < pieces; done.count++) {
        await pace.pass(which, cost * done.count);
      }
      pace.end(which);
    };
    return { done, ended: run() };
  };

  it('lets neither begin more than two iterations of work before the other', async () => {
    const pace = new Pace();
    const reno = search(pace, RENO, 2, 50);
    await settle();
    expect(reno.done.count).toBe(3);
    await pace.pass(BEST_OF_N, 3);
    await settle();
    expect(reno.done.count).toBe(4);
    expect(pace.ended(RENO)).toBe(false);
    const other = search(pace, BEST_OF_N, 1, 99);
    await Promise.all([reno.ended, other.ended]);
    expect([reno.done.count, other.done.count]).toEqual([50, 99]);
  });

  it('waits for nobody who has ended', async () => {
    const pace = new Pace();
    const other = search(pace, BEST_OF_N, 1, 99);
    await settle();
    expect(other.done.count).toBeLessThan(9);
    pace.end(RENO);
    await other.ended;
    expect(other.done.count).toBe(99);
  });
});

it('a step lets one iteration pass, and the pause stays', async () => {
  const pause = new Pause();
  pause.close();
  let passed = 0;
  const loop = async (): Promise<void> => {
    for (; passed < 3; passed++) {
      await pause.pass();
    }
  };
  const ended = loop();
  await settle();
  expect(passed).toBe(0);
  pause.step();
  await settle();
  expect([passed, pause.paused]).toEqual([1, true]);
  pause.open();
  await ended;
  pause.step();
  expect(pause.paused).toBe(false);
});

it('a step of a paused loop that still computes counts when the loop comes to the gate', async () => {
  const pause = new Pause();
  pause.close();
  pause.step();
  pause.step();
  let passed = 0;
  const loop = async (): Promise<void> => {
    for (; passed < 5; passed++) {
      await pause.pass();
    }
  };
  const ended = loop();
  await settle();
  expect(passed).toBe(2);
  pause.step();
  pause.step();
  await settle();
  expect(passed).toBe(4);
  pause.open();
  await ended;
  // Steps that nobody used end with the pause.
  pause.close();
  pause.step();
  pause.open();
  pause.close();
  const waits = pause.pass();
  const first = await Promise.race([waits.then(() => 'passed'), settle().then(() => 'waits')]);
  expect(first).toBe('waits');
  pause.open();
  await waits;
});

it('a paused page shows one iteration for each step, and the rest when the run goes on', () => {
  let paused = false;
  const shown: string[] = [];
  const held = new HeldEvents(
    () => paused,
    (event) => shown.push(event.kind),
  );
  const event = (kind: 'frame' | 'lane' | 'done') => ({ kind }) as Parameters<HeldEvents['add']>[0];
  held.add(event('frame'));
  paused = true;
  held.add(event('lane'));
  held.add(event('frame'));
  held.add(event('frame'));
  expect(shown).toEqual(['frame']);
  held.step();
  expect(shown).toEqual(['frame', 'lane', 'frame']);
  held.step();
  held.step(); // Nothing waits: the next one that comes is shown.
  held.add(event('frame'));
  held.add(event('done'));
  expect(shown.length).toBe(5);
  held.step();
  expect(shown.at(-1)).toBe('done');
  held.step();
  paused = false;
  held.release();
  paused = true;
  held.add(event('frame'));
  expect(shown.length).toBe(6);
});

describe('the second lane', () => {
  const frame = (iteration: number, total: number): ShownFrame =>
    ({ iteration, record: { total } }) as unknown as ShownFrame;

  it('has as many pictures as the iterations cost, and keeps the newest and the best', () => {
    const empty = emptyLane({ prompt: '', seed: 0, iterations: 50, method: 'reno' });
    expect(empty.total).toBe(99);
    const [a, b, again] = [frame(0, 3), frame(1, 4), frame(1, 5)];
    const two = withPicture(withPicture(empty, a, true), b, false);
    expect(two).toMatchObject({ now: b, best: a, losses: [3, 4] });
    // A search that lost its device makes pictures again.
    expect(withPicture(two, again, false)).toMatchObject({ now: again, best: a, losses: [3, 5] });
  });

  it('is drawn by its lowest loss so far', () => {
    expect(lowestSoFar([3, 5, 2, 4])).toEqual([3, 3, 2, 2]);
  });
});

describe('who is ahead', () => {
  const lane = (name: string, loss: number, right: Standing['right']): Standing => ({ name, loss, right });

  it('is said by reward and by verdict, each by itself', () => {
    expect(standingWords(lane('ReNO', 21, true), lane('best-of-99', 20, false), true)).toBe(
      'By reward best-of-99 is ahead at the end: its lowest loss is 20, that of ReNO 21. ' +
        'By verdict ReNO is ahead: its picture is right, that of best-of-99 is wrong.',
    );
    expect(standingWords(lane('ReNO', 20.00001, false), lane('best-of-99', 20, false), false)).toBe(
      'By reward ReNO and best-of-99 are equal: both have a loss of 20. By verdict they are equal: neither picture is right.',
    );
  });

  it('waits for the evaluator, and admits what it cannot judge', () => {
    expect(standingWords(lane('ReNO', 1, undefined), lane('best-of-9', 2, true), false)).toBe(
      'By reward ReNO is ahead: its lowest loss is 1, that of best-of-9 2.',
    );
    expect(standingWords(lane('ReNO', 1, null), lane('best-of-9', 2, null), false)).toContain('cannot judge');
  });

  it('uses the weights of the model, not those of moved levers', () => {
    const record = { iteration: 0, losses: { HPS: 2, CLIP: 10 }, total: 99, regulariser: 0, norm: 1, seconds: 0 };
    const rewards = [
      { name: 'HPS', weight: 5, offset: 1 },
      { name: 'CLIP', weight: 0.5, offset: 1 },
    ];
    expect(weightedLoss(record, rewards)).toBe(15);
  });
});
