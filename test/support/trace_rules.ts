/**
 * The rules of the Trace Event Format (Google, "Trace Event Format", 2016) for the events that this project writes, and what
 * Perfetto's importer asks beyond them: slices of one thread nest, counters are numbers, flows begin and end within slices.
 */
interface Slice {
  readonly begin: number;
  readonly end: number;
}

type Fields = Readonly<Record<string, unknown>>;

const isRecord = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0;
const isId = (value: unknown): boolean => Number.isInteger(value) && Number(value) >= 0 && Number(value) < 2 ** 32;

/** Nanoseconds: Perfetto rounds to them. */
const nanos = (micros: number): number => Math.round(micros * 1000);

/** Returns a sentence for each broken rule, and the number of events of each phase. */
export function checkTrace(text: string): {
  readonly broken: string[];
  readonly phases: Readonly<Record<string, number>>;
} {
  const trace: unknown = JSON.parse(text);
  const broken: string[] = [];
  const phases: Record<string, number> = {};
  if (!isRecord(trace) || !Array.isArray(trace.traceEvents)) {
    return { broken: ['the trace is no object with a list traceEvents'], phases };
  }
  if (trace.displayTimeUnit !== undefined && trace.displayTimeUnit !== 'ms' && trace.displayTimeUnit !== 'ns') {
    broken.push('displayTimeUnit is neither ms nor ns');
  }
  const slices = new Map<string, Slice[]>();
  const flows: { readonly begins: boolean; readonly id: unknown; readonly thread: string; readonly ts: number }[] = [];
  trace.traceEvents.forEach((event: unknown, i: number) => {
    const fail = (what: string): void => void broken.push(`event ${i}: ${what}`);
    if (!isRecord(event)) {
      fail('is no object');
      return;
    }
    const { ph, name, pid, tid, ts, dur, args, cat, id, bp } = event;
    phases[String(ph)] = (phases[String(ph)] ?? 0) + 1;
    if (typeof name !== 'string' || name === '') {
      fail('has no name');
    }
    if (!isId(pid) || !isId(tid)) {
      fail('has no whole pid and tid');
    }
    if (!isTime(ts)) {
      fail('has no time');
      return;
    }
    if (args !== undefined && !isRecord(args)) {
      fail('has args that are no object');
    }
    const thread = `${pid} ${tid}`;
    if (ph === 'X') {
      if (isTime(dur)) {
        const list = slices.get(thread) ?? [];
        slices.set(thread, list);
        list.push({ begin: nanos(ts), end: nanos(ts) + nanos(dur) });
      } else {
        fail('is complete and has no duration');
      }
    } else if (ph === 'C') {
      const values = isRecord(args) ? Object.values(args) : [];
      if (values.length === 0 || !values.every((value) => typeof value === 'number' && Number.isFinite(value))) {
        fail('is a counter without numbers');
      }
    } else if (ph === 'M') {
      const known = ['process_name', 'thread_name'].includes(String(name));
      if (!known || !isRecord(args) || typeof args.name !== 'string' || args.name === '') {
        fail('is metadata that nobody reads');
      }
    } else if (ph === 's' || ph === 'f') {
      if (!isId(id) || typeof cat !== 'string') {
        fail('is a flow without id and category');
      }
      if (ph === 'f' && bp !== 'e') {
        fail('is the end of a flow that does not bind to the slice around it');
      }
      flows.push({ begins: ph === 's', id, thread, ts: nanos(ts) });
    } else {
      fail(`has the unknown phase ${String(ph)}`);
    }
  });
  for (const [thread, list] of slices) {
    broken.push(...notNested(thread, list));
  }
  const around = (thread: string, ts: number): boolean =>
    (slices.get(thread) ?? []).some(({ begin, end }) => begin <= ts && ts <= end);
  for (const { begins, id, thread, ts } of flows) {
    if (!around(thread, ts)) {
      broken.push(`flow ${String(id)} lies in no slice`);
    }
    const partner = flows.filter((other) => other.id === id && other.begins !== begins);
    if (partner.length !== 1 || (begins && (partner[0]?.ts ?? 0) < ts)) {
      broken.push(`flow ${String(id)} does not begin and then end once`);
    }
  }
  return { broken, phases };
}

/** Perfetto sorts by time, and keeps the order of the file where times are equal. */
function notNested(thread: string, slices: readonly Slice[]): string[] {
  const open: Slice[] = [];
  return [...slices]
    .sort((a, b) => a.begin - b.begin)
    .flatMap((slice) => {
      while ((open.at(-1)?.end ?? Number.POSITIVE_INFINITY) <= slice.begin) {
        open.pop();
      }
      const around = open.at(-1);
      open.push(slice);
      return around && slice.end > around.end
        ? [`thread ${thread}: the slice at ${slice.begin} ns ends after the one around it`]
        : [];
    });
}
