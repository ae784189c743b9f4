/** The tasks of a page's main thread, from a trace of the browser: their CPU time, which other work on the machine does not lengthen. */
import type { Browser, Page } from 'playwright-core';

/** A task of the main thread. */
export interface Task {
  /** Milliseconds of CPU time, and by the clock. */
  readonly cpu: number;
  readonly wall: number;
  /** The longest parts inside of it, such as `FunctionCall main-3f2c.js:1:2034 41 ms`. */
  readonly parts: readonly string[];
}

/** Those that tell tasks and their parts: `toplevel` and `v8` make a trace four times as long, and a long one cannot be read. */
const CATEGORIES = ['devtools.timeline', 'disabled-by-default-devtools.timeline'];
/** Parts of a task that are told. */
const PARTS = 6;

/** An event of a trace. Times are in microseconds. Source: Trace Event Format, https://chromium.googlesource.com/catapult */
interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly dur?: number;
  readonly tdur?: number;
  readonly args?: {
    readonly name?: string;
    readonly data?: {
      readonly functionName?: string;
      readonly url?: string;
      readonly lineNumber?: number;
      readonly columnNumber?: number;
      readonly type?: string;
    };
  };
}

/** Does `work`, and returns the tasks of the page's main thread meanwhile, the longest by CPU time first. */
export async function tracedTasks(browser: Browser, page: Page, work: () => Promise<void>): Promise<Task[]> {
  await browser.startTracing(page, { categories: CATEGORIES });
  // Where the work fails, the trace ends with the browser; one that is gone would not answer.
  await work();
  const trace = await browser.stopTracing();
  const { traceEvents } = JSON.parse(trace.toString('utf8')) as { traceEvents: TraceEvent[] };
  return tasksOf(traceEvents, page.url());
}

/**
 * Returns the tasks of the main thread that names most files beside the page's address: others belong to empty tabs, to service workers
 * and to the browser's own pages, which compute as much.
 */
export function tasksOf(events: readonly TraceEvent[], address: string): Task[] {
  const host = new URL(address).origin;
  const threads = events.filter(({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain');
  const lists = threads.map(({ pid, tid }) => {
    const own = events.filter((event) => event.pid === pid && event.tid === tid && event.ph === 'X');
    const tasks = outermost(own.filter(({ name }) => /RunTask$/.test(name)));
    return { own, tasks, named: own.filter(({ args }) => args?.data?.url?.startsWith(host)).length };
  });
  const [page] = lists.toSorted((a, b) => b.named - a.named);
  if (!page?.named) {
    throw new Error('the trace has no main thread of a page');
  }
  const { own, tasks } = page;
  return tasks
    .toSorted((a, b) => (b.tdur ?? 0) - (a.tdur ?? 0))
    .map(
      (task, i): Task => ({
        cpu: (task.tdur ?? 0) / 1000,
        wall: (task.dur ?? 0) / 1000,
        parts: i < PARTS ? partsOf(task, own) : [],
      }),
    );
}

/** A task is told twice, once inside of the other; and a task may run others inside of it, such as those of a nested loop. */
function outermost(tasks: readonly TraceEvent[]): TraceEvent[] {
  let end = Number.NEGATIVE_INFINITY;
  return tasks
    .toSorted((a, b) => a.ts - b.ts || (b.dur ?? 0) - (a.dur ?? 0))
    .filter(({ ts, dur = 0 }) => {
      const isInside = ts < end;
      end = Math.max(end, ts + dur);
      return !isInside;
    });
}

function partsOf(task: TraceEvent, events: readonly TraceEvent[]): string[] {
  const end = task.ts + (task.dur ?? 0);
  return events
    .filter((event) => event !== task && event.ts >= task.ts && event.ts < end && !/RunTask$/.test(event.name))
    .sort((a, b) => (b.tdur ?? 0) - (a.tdur ?? 0))
    .slice(0, PARTS)
    .map(({ name, tdur = 0, args }) => {
      const { functionName = '', url = '', lineNumber, columnNumber, type = '' } = args?.data ?? {};
      const place = url === '' ? '' : `${url.replace(/.*\//, '')}:${lineNumber ?? '?'}:${columnNumber ?? '?'}`;
      return [name, type, functionName, place, `${(tdur / 1000).toFixed(1)} ms`].filter(Boolean).join(' ');
    });
}
