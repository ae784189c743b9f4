/** Reads a profile that was kept as JSON. */
import type { Profile } from './profile.ts';

type Check = (value: unknown) => boolean;

const isNumber: Check = (value) => typeof value === 'number' && Number.isFinite(value);
const isText: Check = (value) => typeof value === 'string';
const isNullOr =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);
const isOneOf =
  (...options: readonly string[]): Check =>
  (value) =>
    isText(value) && options.includes(String(value));
const isListOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);

/** The fields of a dispatch and of a live value. Lists are checked for their length where it is used as an index. */
const DISPATCH: Readonly<Record<string, Check>> = {
  path: isText,
  direction: isOneOf('forward', 'backward', 'recomputed'),
  op: isText,
  variant: isText,
  kernel: isText,
  operands: isListOf(isText),
  dtype: isOneOf('f32', 'f16', 'i32'),
  workgroups: isListOf(isNumber),
  flops: isNumber,
  bytes: isNumber,
  matrixFlops: isNumber,
  begin: isNumber,
  ns: isListOf(isNumber),
};
const VALUE: Readonly<Record<string, Check>> = {
  name: isText,
  path: isText,
  bytes: isNumber,
  kind: isOneOf('saved', 'transient', 'streamed'),
  from: isNumber,
  to: isNumber,
  readers: isListOf(isNumber),
};

/**
 * Returns the profile that a text holds. @param name the file, for messages
 * @throws Error, one sentence: no JSON, no profile, or a profile of a later format or with a field that is wrong
 */
export function readProfile(text: string, name: string): Profile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error(`${name} is no JSON; give a profile.json that "reno profile --out" wrote`);
  }
  if (!isRecord(value) || !('dispatches' in value) || !('format' in value)) {
    throw new Error(`${name} is no profile; give a profile.json that "reno profile --out" wrote`);
  }
  if (value.format !== 2) {
    throw new Error(`${name} has profile format ${JSON.stringify(value.format)}, and this version reads format 2`);
  }
  const wrong = wrongField(value);
  if (wrong !== null) {
    throw new Error(`${name} is broken: its field ${wrong} is missing or wrong; profile again`);
  }
  return value as unknown as Profile;
}

type Fields = Readonly<Record<string, unknown>>;

const isRecord = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The name of the first field that is missing or wrong; null where all are right. */
function wrongField(profile: Fields): string | null {
  const step = isRecord(profile.step) ? profile.step : {};
  const kernels: readonly unknown[] = Array.isArray(step.kernels) ? step.kernels : [];
  const dispatches: readonly unknown[] = Array.isArray(profile.dispatches) ? profile.dispatches : [];
  const isIndex = (count: number): Check => {
    return (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) < count;
  };
  const isPerRun: Check = (value) =>
    isListOf(isNumber)(value) && (value as readonly unknown[]).length === kernels.length;
  const each = (list: unknown, where: string, checks: Readonly<Record<string, Check>>): string | null => {
    if (!Array.isArray(list)) {
      return where;
    }
    for (const [i, item] of list.entries()) {
      const wrong = firstWrong(item, `${where}[${i}]`, checks);
      if (wrong !== null) {
        return wrong;
      }
    }
    return null;
  };
  const isDispatch = isIndex(dispatches.length);
  return (
    firstWrong(profile, '', { tool: isText, date: isText, subject: isText, tickNs: isNumber, passNs: isNumber }) ??
    firstWrong(profile.adapter, 'adapter', { vendor: isText, architecture: isText, description: isText }) ??
    firstWrong(profile.peaks, 'peaks', { f32: isNumber, matrix: isNullOr(isNumber), bytesPerSecond: isNumber }) ??
    (kernels.length === 0 ? 'step.kernels' : null) ??
    firstWrong(profile.step, 'step', { clock: isPerRun, busy: isPerRun, kernels: isPerRun }) ??
    each(profile.passes, 'passes', { dispatches: isNumber, ns: isPerRun }) ??
    firstWrong(profile, '', { shownRun: isIndex(kernels.length) }) ??
    (dispatches.length === 0 ? 'dispatches' : null) ??
    each(dispatches, 'dispatches', { ...DISPATCH, ns: isPerRun }) ??
    firstWrong(profile.memory, 'memory', { resident: isNumber, shared: isNumber }) ??
    each(isRecord(profile.memory) ? profile.memory.values : null, 'memory.values', {
      ...VALUE,
      from: isDispatch,
      to: isDispatch,
      readers: isListOf(isDispatch),
    })
  );
}

function firstWrong(value: unknown, where: string, checks: Readonly<Record<string, Check>>): string | null {
  if (!isRecord(value)) {
    return where;
  }
  const wrong = Object.entries(checks).find(([field, check]) => !check(value[field]));
  return wrong ? `${where}${where === '' ? '' : '.'}${wrong[0]}` : null;
}
