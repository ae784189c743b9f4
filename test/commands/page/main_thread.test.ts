/** The tasks of a main thread, from the events of a made-up trace. */
import { expect, it } from 'vitest';
import { tasksOf } from '../../../commands/page/main_thread.ts';

const thread = (pid: number, tid: number, name: string) => ({
  name: 'thread_name',
  ph: 'M',
  pid,
  tid,
  ts: 0,
  args: { name },
});
const span = (pid: number, tid: number, name: string, ts: number, dur: number, tdur: number, args = {}) => ({
  name,
  ph: 'X',
  pid,
  tid,
  ts,
  dur,
  tdur,
  args,
});

it('are those of the page, each once, the longest by CPU time first', () => {
  const data = { functionName: 'draw', url: 'http://a/assets/main-1.js', lineNumber: 3, columnNumber: 4 };
  const tasks = tasksOf(
    [
      thread(1, 1, 'CrRendererMain'),
      thread(1, 2, 'DedicatedWorker thread'),
      thread(2, 1, 'CrRendererMain'),
      // Long by the clock only, because something else had the processor.
      span(1, 1, 'ThreadControllerImpl::RunTask', 0, 90_000, 5_000),
      span(1, 1, 'ThreadControllerImpl::RunTask', 100_000, 40_000, 30_000),
      // The same task under the second name, and a nested one.
      span(1, 1, 'RunTask', 100_001, 39_990, 29_990),
      span(1, 1, 'ThreadControllerImpl::RunTask', 110_000, 10_000, 9_000),
      span(1, 1, 'FunctionCall', 100_010, 20_000, 12_000, { data }),
      span(1, 1, 'Layout', 130_000, 2_000, 1_500),
      // A page of the browser itself and a worker do not count.
      span(2, 1, 'ThreadControllerImpl::RunTask', 0, 220_000, 220_000),
      span(2, 1, 'FunctionCall', 10, 20_000, 12_000, { data: { url: 'chrome://omnibox-popup/app.js' } }),
      span(1, 2, 'ThreadControllerImpl::RunTask', 0, 900_000, 900_000),
    ],
    'http://a/?seed=1',
  );
  expect(tasks.map(({ cpu, wall }) => [cpu, wall])).toEqual([
    [30, 40],
    [5, 90],
  ]);
  expect(tasks[0]?.parts).toEqual(['FunctionCall draw main-1.js:3:4 12.0 ms', 'Layout 1.5 ms']);
});

it('are missed where the trace has no page', () => {
  expect(() => tasksOf([], 'http://a/')).toThrow('no main thread');
});
